package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// imitation writes as a registry does: in its order, with its checks, and in the
// way of 2.x (into the file) or 3.x (a file beside it, renamed).
type imitation struct {
	dir   string
	three bool
	front sync.RWMutex // held by the hold
	id    atomic.Int64
	// deleted are the manifests that a client deleted last. An index that names one
	// was broken by that, not by a collection.
	deleted sync.Map
}

func (g *imitation) path(rel string) string { return filepath.Join(g.dir, filepath.FromSlash(rel)) }

func (g *imitation) put(rel, content string) error {
	path := g.path(rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if !g.three {
		return os.WriteFile(path, []byte(content), 0o644)
	}
	tmp := fmt.Sprintf("%s.%d.tmp", path, g.id.Add(1))
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func (g *imitation) there(rel string) bool {
	_, err := os.Stat(g.path(rel))
	return err == nil
}

// head is HEAD of a blob.
func (g *imitation) head(repo string, d storage.Digest) bool {
	link, err := os.ReadFile(g.path(storage.LayerPath(repo, d) + "/link"))
	return err == nil && string(link) == d.String() && g.there(storage.BlobPath(d)+"/data")
}

// upload is a whole upload: an existing blob wins.
func (g *imitation) upload(repo, data string) error {
	d := storage.SHA256.Of([]byte(data))
	up := storage.UploadPath(repo, fmt.Sprint("u", g.id.Add(1)))
	if err := g.put(up+"/startedat", time.Now().UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	if err := os.WriteFile(g.path(up+"/data"), []byte(data), 0o644); err != nil {
		return err
	}
	if blob := storage.BlobPath(d) + "/data"; !g.there(blob) {
		if err := os.MkdirAll(filepath.Dir(g.path(blob)), 0o755); err != nil {
			return err
		}
		if err := os.Rename(g.path(up+"/data"), g.path(blob)); err != nil {
			return err
		}
	}
	if err := g.put(storage.LayerPath(repo, d)+"/link", d.String()); err != nil {
		return err
	}
	return os.RemoveAll(g.path(up))
}

// mount is a mount of a blob from another repository.
func (g *imitation) mount(from, repo string, d storage.Digest) bool {
	return g.head(from, d) && g.put(storage.LayerPath(repo, d)+"/link", d.String()) == nil
}

var errUnknownBlob = errors.New("400 MANIFEST_BLOB_UNKNOWN")

// putManifest is PUT of a manifest, which waits for the hold.
func (g *imitation) putManifest(repo, tag, text string, needs []storage.Digest) (storage.Digest, error) {
	g.front.RLock()
	defer g.front.RUnlock()
	d := storage.SHA256.Of([]byte(text))
	for _, n := range needs {
		if !g.head(repo, n) && !g.there(storage.RevisionPath(repo, n)+"/link") {
			return d, errUnknownBlob
		}
	}
	if blob := storage.BlobPath(d) + "/data"; !g.there(blob) {
		if err := g.put(blob, text); err != nil {
			return d, err
		}
	}
	g.deleted.Delete(repo + "@" + d.String())
	for _, rel := range []string{storage.RevisionPath(repo, d) + "/link", storage.HistoryPath(repo, tag, d) + "/link", storage.TagLinkPath(repo, tag)} {
		if err := g.put(rel, d.String()); err != nil {
			return d, err
		}
	}
	return d, nil
}

// remove is DELETE of a manifest: its tags go first, then its link.
func (g *imitation) remove(repo string, d storage.Digest) {
	g.front.Lock() // no two writes of this test's registry race: that is not ours to judge
	defer g.front.Unlock()
	tags := storage.RepositoryPath(repo) + "/_manifests/tags"
	entries, _ := os.ReadDir(g.path(tags))
	for _, e := range entries {
		if link, _ := os.ReadFile(g.path(storage.TagLinkPath(repo, e.Name()))); string(link) == d.String() {
			os.RemoveAll(g.path(storage.TagPath(repo, e.Name())))
		}
	}
	os.Remove(g.path(storage.RevisionPath(repo, d) + "/link"))
	g.deleted.Store(repo+"@"+d.String(), true)
}

// hold waits for the writes under way, as the front door's drain does.
func (g *imitation) hold(context.Context) (func() error, error) {
	g.front.Lock()
	return func() error { g.front.Unlock(); return nil }, nil
}

// Pushers, mounters, retaggers and deleters work while one collection follows
// another, with no grace at all. Every tag that is there in the end is whole.
func TestCollectionsWhileOthersWrite(t *testing.T) {
	for _, three := range []bool{false, true} {
		t.Run(fmt.Sprintf("as 3.x writes: %v", three), func(t *testing.T) { whileOthersWrite(t, three) })
	}
}

func whileOthersWrite(t *testing.T, three bool) {
	dir := filepath.Join(memory(t), "d")
	storagetest.New(dir)
	g := &imitation{dir: dir, three: three}
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var wg sync.WaitGroup
	var pushed, refused, failed, collected, swept, backs atomic.Int64
	for w := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for n := 0; ctx.Err() == nil; n++ {
				repo := fmt.Sprintf("r%d", rng.IntN(5))
				switch err := g.push(rng, repo, fmt.Sprintf("t%d", rng.IntN(4))); {
				case err == nil:
					pushed.Add(1)
				case errors.Is(err, errUnknownBlob):
					refused.Add(1)
				default:
					if failed.Add(1) == 1 {
						t.Logf("a request failed: %v", err)
					}
				}
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
			}
		})
	}
	wg.Go(func() {
		o := Options{DeleteUntagged: true, Hold: g.hold, KeepTrash: time.Hour, Workers: 2}
		for ctx.Err() == nil {
			r, err := Collect(context.Background(), dir, o)
			if err != nil {
				t.Error(err)
				return
			}
			collected.Add(1)
			swept.Add(int64(r.Blobs.Deleted))
			backs.Add(int64(r.PutBack))
			if r.Damaged() {
				t.Errorf("damage: %+v", r.Problems)
			}
		}
	})
	wg.Wait()
	t.Logf("%d pushes, %d refused, %d failed; %d collections took %d blobs, %d put back", pushed.Load(), refused.Load(), failed.Load(), collected.Load(), swept.Load(), backs.Load())
	if pushed.Load() < 200 || collected.Load() < 3 || swept.Load() < 20 {
		t.Error("that is too little to find anything")
	}
	g.whole(t)
}

// push is what a client does: ask for each blob, mount or bring what is missing,
// then the manifest. The contents are few, so that all meet over them.
func (g *imitation) push(rng *rand.Rand, repo, tag string) error {
	var needs []storage.Digest
	var layers []string
	for range 1 + rng.IntN(3) {
		data := fmt.Sprintf("layer %d", rng.IntN(12))
		d := storage.SHA256.Of([]byte(data))
		needs = append(needs, d)
		layers = append(layers, fmt.Sprintf(`{"digest":%q,"size":%d}`, d, len(data)))
		if g.head(repo, d) || rng.IntN(3) == 0 && g.mount(fmt.Sprintf("r%d", rng.IntN(5)), repo, d) {
			continue
		}
		if err := g.upload(repo, data); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(`{"schemaVersion":2,"layers":[%s]}`, strings.Join(layers, ","))
	d, err := g.putManifest(repo, tag, text, needs)
	if err != nil {
		return err
	}
	switch rng.IntN(8) {
	case 0:
		g.remove(repo, d)
	case 1:
		index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, storagetest.OCIManifest, d)
		_, err = g.putManifest(repo, "index-"+tag, index, []storage.Digest{d})
	}
	return err
}

// whole fails for each tag that does not pull whole.
func (g *imitation) whole(t *testing.T) {
	t.Helper()
	s, err := storage.Open(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	names, _, err := s.Repositories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		r, err := s.Repository(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		tags, err := r.Tags()
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			n++
			if err := g.pull(s, r, tag.Digest); err != nil {
				t.Errorf("LOST: %s:%s: %v", name, tag.Name, err)
			}
		}
		r.Close()
	}
	if n == 0 {
		t.Error("there are no tags")
	}
}

func (g *imitation) pull(s *storage.Store, r *storage.Repository, d storage.Digest) error {
	if l := r.Revision(d); l.Fault != "" {
		return fmt.Errorf("manifest %s: %s", d, l.Fault)
	}
	m, err := s.Manifest(d)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", d, err)
	}
	for b := range m.Blobs() {
		if !g.head(r.Name, b.Digest) {
			return fmt.Errorf("layer %s: %w", b.Digest, fs.ErrNotExist)
		}
	}
	for _, c := range m.Manifests {
		if _, deleted := g.deleted.Load(r.Name + "@" + c.Digest.String()); deleted {
			continue
		}
		if err := g.pull(s, r, c.Digest); err != nil {
			return err
		}
	}
	return nil
}
