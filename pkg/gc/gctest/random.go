// Package gctest has what tests of the collection share: storage trees made at
// random from a seed, and an oracle that says what has to be there after a
// collection. It does not know the code that it judges: what a collection is asked
// for has a type of its own here.
package gctest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// Ahead is how far the clock of tests stands after that of the file system: nobody
// can give a file an old time of its inode, so tests live in the future.
const Ahead = 1000 * time.Hour

// Wish is what a collection is asked for.
type Wish struct {
	DeleteUntagged, CosignTags bool
	UntaggedOlderThan          time.Duration
	Grace, Uploads, KeepTrash  time.Duration
	Tags                       []Removal
	Repositories               []string
	Keep                       []storage.Digest
	Workers                    int
}

// Removal is a tag that is to go.
type Removal struct {
	Repository, Tag string
	Digest          storage.Digest
	Manifest        bool
}

// Tree is a tree made at random.
type Tree struct {
	*storagetest.Tree
	// Now is when the collection is to be.
	Now time.Time

	rng   *rand.Rand
	repos []string
	all   map[string][]storage.Digest // manifests by repository
	tags  []Removal
	n     int
}

// Random builds a tree from a seed, in every kind of state that a registry and,
// with damage, its accidents leave; and something to ask a collection for.
func Random(dir string, seed uint64, damage bool) (*Tree, Wish) {
	t := &Tree{rng: rand.New(rand.NewPCG(seed, 1)), Now: time.Now().Add(Ahead), all: map[string][]storage.Digest{}}
	t.Tree = storagetest.New(dir)
	names := []string{"a", "a/b", "blobs", "tags/current/index", "x/y/z", "lone"}
	t.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	t.repos = names[:1+t.rng.IntN(4)]
	for range 3 + t.rng.IntN(20) {
		t.step()
	}
	if damage {
		for range 1 + t.rng.IntN(2) {
			t.damage()
		}
	}
	o := Wish{
		DeleteUntagged: t.chance(60), CosignTags: t.chance(50), Grace: time.Hour, Uploads: 7 * 24 * time.Hour, KeepTrash: 24 * time.Hour,
		Workers: 1 + t.rng.IntN(4),
	}
	if t.chance(50) {
		o.UntaggedOlderThan = 72 * time.Hour
	}
	for _, tag := range t.tags {
		if t.chance(15) {
			tag.Manifest = t.chance(50)
			if t.chance(10) {
				tag.Digest = storage.SHA256.Of([]byte("moved meanwhile"))
			}
			o.Tags = append(o.Tags, tag)
		}
	}
	for _, r := range t.repos {
		if t.chance(7) && (t.exists(storage.RepositoryPath(r)+"/_layers") || t.exists(storage.RepositoryPath(r)+"/_uploads")) {
			o.Repositories = append(o.Repositories, r)
		}
		for _, d := range t.all[r] {
			if t.chance(4) {
				o.Keep = append(o.Keep, d)
			}
		}
	}
	return t, o
}

func (t *Tree) chance(percent int) bool { return t.rng.IntN(100) < percent }

func (t *Tree) exists(rel string) bool {
	_, err := os.Lstat(t.Path(rel))
	return err == nil
}

// aged gives what is written next an age: mostly old, some young, some between.
func (t *Tree) aged() *storagetest.Tree {
	hours := 100 + t.rng.IntN(700)
	switch {
	case t.chance(12):
		return t.At(t.Now.Add(-time.Duration(t.rng.IntN(50)) * time.Minute))
	case t.chance(20):
		hours = 2 + t.rng.IntN(60)
	}
	return t.At(t.Now.Add(-time.Duration(hours) * time.Hour).Truncate(time.Second))
}

func (t *Tree) repo() string { return t.repos[t.rng.IntN(len(t.repos))] }

// data is content, of which some is shared by all.
func (t *Tree) data() string {
	if t.chance(50) {
		return fmt.Sprintf("shared %d", t.rng.IntN(6))
	}
	t.n++
	return fmt.Sprintf("own %d", t.n)
}

func (t *Tree) manifestOf(repo string) (storage.Digest, bool) {
	list := t.all[repo]
	if len(list) == 0 {
		return storage.Digest{}, false
	}
	return list[t.rng.IntN(len(list))], true
}

func (t *Tree) step() {
	tree, repo := t.aged(), t.repo()
	add := func(d storage.Digest) storage.Digest {
		t.all[repo] = append(t.all[repo], d)
		if t.chance(55) {
			t.tag(tree, repo, fmt.Sprintf("t%d", t.rng.IntN(8)), d)
		}
		return d
	}
	switch t.rng.IntN(14) {
	case 0, 1, 2, 3:
		t.n++
		layers := []string{}
		for range t.rng.IntN(4) {
			layers = append(layers, t.data())
		}
		add(tree.Image(repo, fmt.Sprintf("config %d", t.n), layers...))
	case 4: // an index, perhaps of indexes, perhaps without all that it names
		var children []storage.Digest
		for range 1 + t.rng.IntN(3) {
			if d, ok := t.manifestOf(repo); ok {
				children = append(children, d)
			}
		}
		if t.chance(20) {
			children = append(children, storage.SHA256.Of([]byte("never pushed")))
		}
		add(tree.Index(repo, children...))
	case 5, 6: // a signature, perhaps of a signature, perhaps of nothing
		subject, ok := t.manifestOf(repo)
		if !ok || t.chance(10) {
			subject = storage.SHA256.Of([]byte("elsewhere"))
		}
		t.n++
		add(tree.Referrer(repo, subject, fmt.Sprintf("signature %d", t.n)))
	case 7: // by cosign
		if subject, ok := t.manifestOf(repo); ok {
			suffix := []string{".sig", ".att", ".sbom", ""}[t.rng.IntN(4)]
			t.n++
			d := tree.Image(repo, fmt.Sprintf("cosign %d", t.n), "signature")
			t.all[repo] = append(t.all[repo], d)
			t.tag(tree, repo, "sha256-"+subject.Hex()+suffix, d)
		}
	case 8: // a mount that no manifest came after
		tree.Layer(repo, t.data())
	case 9: // the same by its sha512, perhaps used
		t.n++
		c, l := tree.Layer(repo, fmt.Sprintf("config %d", t.n)), tree.Alias(repo, t.data())
		if t.chance(70) {
			add(tree.Manifest(repo, storagetest.Manifest{SchemaVersion: 2, Config: &c, Layers: []storagetest.Descriptor{l}}))
		}
	case 10: // an upload
		id := fmt.Sprintf("upload-%d", t.rng.Uint32())
		if t.chance(50) {
			tree.Upload(repo, id, "part")
		} else {
			tree.File(storage.UploadPath(repo, id)+"/data", "part")
			os.Chtimes(t.Path(storage.UploadPath(repo, id)), tree.When, tree.When)
		}
	case 11: // a blob that nobody links
		tree.Blob(t.data())
	case 12: // a manifest that was deleted, with its tags
		if d, ok := t.manifestOf(repo); ok {
			t.deleted(repo, d)
		}
	case 13: // an artifact, an image without a type, one of layers alone
		t.n++
		l := tree.Layer(repo, fmt.Sprintf("artifact %d", t.n))
		m := storagetest.Manifest{MediaType: storagetest.OCIArtifact, Blobs: []storagetest.Descriptor{l}}
		if t.chance(50) {
			m = storagetest.Manifest{SchemaVersion: 2, Layers: []storagetest.Descriptor{l}}
		}
		add(tree.Manifest(repo, m))
	}
}

func (t *Tree) tag(tree *storagetest.Tree, repo, tag string, d storage.Digest) {
	tree.Tag(repo, tag, d)
	t.tags = append(t.tags, Removal{Repository: repo, Tag: tag, Digest: d})
}

// deleted deletes as the registry does: the link goes, its directory stays.
func (t *Tree) deleted(repo string, d storage.Digest) {
	t.Remove(storage.RevisionPath(repo, d) + "/link")
	dir := storage.RepositoryPath(repo) + "/_manifests/tags"
	entries, _ := os.ReadDir(t.Path(dir))
	for _, e := range entries {
		if link, _ := os.ReadFile(t.Path(dir + "/" + e.Name() + "/current/link")); string(link) == d.String() {
			t.Remove(dir + "/" + e.Name())
		}
	}
	list := t.all[repo][:0]
	for _, other := range t.all[repo] {
		if other != d {
			list = append(list, other)
		}
	}
	t.all[repo] = list
}

// damage breaks something.
func (t *Tree) damage() {
	tree, repo := t.aged(), t.repo()
	d, ok := t.manifestOf(repo)
	if !ok {
		return
	}
	links := []string{storage.RevisionPath(repo, d) + "/link"}
	entries, _ := os.ReadDir(t.Path(storage.RepositoryPath(repo) + "/_manifests/tags"))
	for _, e := range entries {
		links = append(links, storage.TagLinkPath(repo, e.Name()))
	}
	entries, _ = os.ReadDir(t.Path(storage.RepositoryPath(repo) + "/_layers/sha256"))
	for _, e := range entries {
		links = append(links, storage.RepositoryPath(repo)+"/_layers/sha256/"+e.Name()+"/link")
	}
	link := links[t.rng.IntN(len(links))]
	if !t.exists(link) {
		return
	}
	content, _ := os.ReadFile(t.Path(link))
	switch t.rng.IntN(8) {
	case 0:
		tree.File(link, "")
	case 1:
		tree.File(link, string(content)+"\n")
	case 2:
		tree.File(link, strings.Repeat("x", t.rng.IntN(400)+1)+"!")
	case 3:
		if strings.Contains(link, "/current/") {
			t.Remove(link)
		}
	case 4:
		t.Remove(storage.BlobPath(d) + "/data")
	case 5:
		tree.File(storage.BlobPath(d)+"/data", "{")
	case 6: // still a manifest, of something else
		tree.File(storage.BlobPath(d)+"/data", `{"schemaVersion":2,"layers":[]}`)
	case 7: // its link is lost while tags name it
		t.Remove(storage.RevisionPath(repo, d) + "/link")
	}
}
