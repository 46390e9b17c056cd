package gc

import (
	"cmp"
	"fmt"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// kind is what an item is. Its value is in the journal.
type kind byte

const (
	kindBlob       kind = 'B' // a blob's directory
	kindRevision   kind = 'R' // a manifest's, in its repository
	kindLayer      kind = 'L' // a layer's or config's, in its repository
	kindTag        kind = 'T'
	kindHistory    kind = 'H' // a deleted manifest's, in the history of a tag
	kindUpload     kind = 'U'
	kindRepository kind = 'D' // a directory of an empty or removed repository
)

// state is what has become of an item.
type state = uint32

const (
	planned state = iota
	// watched is a young directory without a link. It stays, and is looked at again:
	// a link that comes into it does not show in the directory above.
	watched
	dropped // needed after all, so left in its place
	moved
	back // moved, and put back
)

// is and become are for when several goroutines work on the plan.
func (it *item) is(s state) bool { return atomic.LoadUint32(&it.state) == s }

func (it *item) become(s state) { atomic.StoreUint32(&it.state, s) }

// item is something that is to go: a directory, moved as a whole.
type item struct {
	kind   kind
	state  state
	husk   bool // a directory without its link or data
	force  bool // of a repository that is removed, whatever is in it
	repo   int32
	number int32 // its name in the trash
	digest storage.Digest
	name   string // a tag, an upload, a directory below repositories/
	// modified and changed are the times of its link or data, in nanoseconds, by
	// which a later look tells whether it was written again.
	modified, changed int64
	size              int64
	// entries is when the directory of a layer's link got its entries, in
	// nanoseconds: 3.x writes a link beside the old one first.
	entries int64
}

func (it *item) times(modified, changed time.Time) {
	it.modified, it.changed = modified.UnixNano(), changed.UnixNano()
}

// path is the directory's.
func (it *item) path(repository string) string {
	switch it.kind {
	case kindBlob:
		return storage.BlobPath(it.digest)
	case kindRevision:
		return storage.RevisionPath(repository, it.digest)
	case kindLayer:
		return storage.LayerPath(repository, it.digest)
	case kindTag:
		return storage.TagPath(repository, it.name)
	case kindHistory:
		return storage.HistoryPath(repository, it.name, it.digest)
	case kindUpload:
		return storage.UploadPath(repository, it.name)
	case kindRepository:
		return storage.RepositoryPath(it.name)
	}
	return ""
}

// file is the path, within the directory, of what its times are of.
func (it *item) file() string {
	switch it.kind {
	case kindBlob:
		return "data"
	case kindRevision, kindLayer, kindHistory:
		return "link"
	case kindTag:
		return "current/link"
	}
	return ""
}

func compareItems(a, b item) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if a.repo != b.repo {
		return cmp.Compare(a.repo, b.repo)
	}
	if c := a.digest.Compare(b.digest); c != 0 {
		return c
	}
	return cmp.Compare(a.name, b.name)
}

// find returns the item of a kind, repository and digest, nil if there is none.
func (r *Run) find(k kind, repo int32, d storage.Digest) *item {
	list := r.items[k]
	// By index: a copy of an item would read its state while another changes it.
	i, ok := sort.Find(len(list), func(i int) int {
		if list[i].repo != repo {
			return cmp.Compare(repo, list[i].repo)
		}
		return d.Compare(list[i].digest)
	})
	if !ok {
		return nil
	}
	return &list[i]
}

// order is the order in which items go. Blobs before the links to them: a
// client that is told of a link whose blob has gone sends it again.
var order = []kind{kindBlob, kindTag, kindHistory, kindRevision, kindLayer, kindUpload, kindRepository}

// Item is something that is to go, for a person.
type Item struct {
	// Kind is blob, manifest, layer, tag, history, upload or repository.
	Kind       string
	Repository string
	Tag        string
	Digest     storage.Digest
	Path       string
	Bytes      int64
}

var kinds = map[kind]string{
	kindBlob: "blob", kindRevision: "manifest", kindLayer: "layer", kindTag: "tag",
	kindHistory: "history", kindUpload: "upload", kindRepository: "repository",
}

// String is one line.
func (i Item) String() string {
	switch {
	case i.Tag != "" && i.Kind == "tag":
		return fmt.Sprintf("tag %s:%s", i.Repository, i.Tag)
	case i.Kind == "blob":
		return fmt.Sprintf("blob %s (%d bytes)", i.Digest, i.Bytes)
	case i.Repository != "" && !i.Digest.IsZero():
		return fmt.Sprintf("%s %s@%s", i.Kind, i.Repository, i.Digest)
	}
	return fmt.Sprintf("%s %s", i.Kind, i.Path)
}

// Items are what is to go, or has gone, in the order in which it goes.
func (r *Run) Items() func(yield func(Item) bool) {
	return func(yield func(Item) bool) {
		for _, k := range order {
			for i := range r.items[k] {
				it := &r.items[k][i]
				if !it.is(planned) && !it.is(moved) || it.husk {
					continue
				}
				out := Item{Kind: kinds[k], Digest: it.digest, Path: it.path(r.repoName(it)), Bytes: it.size, Repository: r.repoName(it)}
				if k == kindTag || k == kindHistory {
					out.Tag = it.name
				}
				if !yield(out) {
					return
				}
			}
		}
	}
}

func (r *Run) repoName(it *item) string {
	if it.kind == kindBlob {
		return ""
	}
	return r.repos[it.repo].name
}

// where is the path of an item.
func (r *Run) where(it *item) string { return it.path(r.repoName(it)) }

// trashPath is where an item lies in the trash.
func trashPath(run string, number int32) string {
	return trashDir + "/" + run + "/" + strconv.Itoa(int(number/shardSize)) + "/" + strconv.Itoa(int(number))
}

// shardSize is how many items lie in one directory of the trash: so few that it
// is one block, into which a rename takes half the time that it takes into a
// directory of thousands.
const shardSize = 100
