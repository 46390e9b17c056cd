package backup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// Pushes, moved tags and deletions while backups are made, in the registry's order
// of writing: every tag of every snapshot comes back with all that it needs, and
// nothing is called damaged.
func TestAStormOfPushesAndDeletions(t *testing.T) {
	src := t.TempDir()
	storagetest.New(src)
	var stop atomic.Bool
	var pushed atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 11))
			repo := fmt.Sprint("team/app", w)
			tree := &registryLike{src}
			for n := 0; !stop.Load(); n++ {
				time.Sleep(3 * time.Millisecond)
				config, layers := tree.blob(repo, fmt.Sprint("config ", w, n)), []storage.Digest{}
				for range 2 {
					layers = append(layers, tree.blob(repo, fmt.Sprint("layer ", w, n, r.IntN(5))))
				}
				d := tree.manifest(repo, config, layers)
				tag := fmt.Sprint("v", r.IntN(4))
				tree.tag(repo, tag, d)
				pushed.Add(1)
				if r.IntN(2) == 0 { // DELETE of the manifest: its tags first, then its link
					tree.untag(repo, d)
					_ = os.Remove(filepath.Join(src, storage.RevisionPath(repo, d), "link"))
					for _, l := range layers {
						_ = os.Remove(filepath.Join(src, storage.LayerPath(repo, l), "link"))
					}
				}
			}
		})
	}
	s := openStore(t, t.TempDir(), Keys{})
	for begun := time.Now(); pushed.Load() < 20 && time.Since(begun) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		res := create(t, s, src)
		for _, p := range res.Problems {
			t.Errorf("called damaged: %+v", p)
		}
	}
	stop.Store(true)
	wg.Wait()
	tags := 0
	for _, snap := range snapshots(t, s) {
		root := filepath.Join(t.TempDir(), "r")
		if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := Swap(t.Context(), root, "test"); err != nil {
			t.Fatal(err)
		}
		tags += pullAll(t, root)
	}
	if tags == 0 {
		t.Error("no snapshot has a tag")
	}
}

// pullAll reads every tag as a client would.
func pullAll(t *testing.T, root string) (tags int) {
	t.Helper()
	s, err := storage.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	names, _, err := s.Repositories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r, err := s.Repository(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		all, err := r.Tags()
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range all {
			tags++
			if l := r.Revision(tag.Digest); l.Fault != "" {
				t.Errorf("%s:%s: %s", name, tag.Name, l.Fault)
				continue
			}
			m, err := s.Manifest(tag.Digest)
			if err != nil {
				t.Errorf("%s:%s: %v", name, tag.Name, err)
				continue
			}
			for b := range m.Blobs() {
				data, err := s.ReadBlob(b.Digest, 1<<20)
				if r.Layer(b.Digest).Fault != "" || err != nil || storage.SHA256.Of(data) != b.Digest {
					t.Errorf("%s:%s: %s: %v", name, tag.Name, b.Digest, err)
				}
			}
		}
		r.Close()
	}
	return tags
}

// registryLike writes as a registry does: each file by a rename.
type registryLike struct{ root string }

func (r *registryLike) write(rel, content string) {
	path := filepath.Join(r.root, rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		panic(err)
	}
	tmp := fmt.Sprintf("%s.%d.tmp", path, rand.Int64())
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		panic(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		panic(err)
	}
}

func (r *registryLike) blob(repo, data string) storage.Digest {
	d := storage.SHA256.Of([]byte(data))
	r.write(storage.BlobPath(d)+"/data", data)
	r.write(storage.LayerPath(repo, d)+"/link", d.String())
	return d
}

func (r *registryLike) manifest(repo string, config storage.Digest, layers []storage.Digest) storage.Digest {
	text := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q,"size":1},"layers":[`, config)
	for i, l := range layers {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"digest":%q,"size":1}`, l)
	}
	text += "]}"
	d := storage.SHA256.Of([]byte(text))
	r.write(storage.BlobPath(d)+"/data", text)
	r.write(storage.RevisionPath(repo, d)+"/link", d.String())
	return d
}

func (r *registryLike) tag(repo, tag string, d storage.Digest) {
	r.write(storage.HistoryPath(repo, tag, d)+"/link", d.String())
	r.write(storage.TagLinkPath(repo, tag), d.String())
}

func (r *registryLike) untag(repo string, d storage.Digest) {
	for n := range 4 {
		tag := fmt.Sprint("v", n)
		data, err := os.ReadFile(filepath.Join(r.root, storage.TagLinkPath(repo, tag)))
		if err == nil && string(data) == d.String() {
			if err := os.RemoveAll(filepath.Join(r.root, storage.TagPath(repo, tag))); err != nil {
				panic(err)
			}
		}
	}
}
