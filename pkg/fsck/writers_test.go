package fsck

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// writer writes as a registry does: what is referred to before what refers to it,
// blobs by a rename; manifests and links by a rename too (3.x) or in place (2.x).
type writer struct {
	dir     string
	inPlace bool
	err     error
}

func (w *writer) put(rel, content string, rename bool) {
	path := filepath.Join(w.dir, filepath.FromSlash(rel))
	for tries := 0; ; tries++ {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.err = err
			return
		}
		to := path
		if rename || !w.inPlace {
			to = path + fmt.Sprintf(".%d.tmp", rand.Uint64())
		}
		f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if os.IsNotExist(err) && tries < 100 {
			continue // a collection took the directory
		}
		if err != nil {
			w.err = err
			return
		}
		f.WriteString(content[:len(content)/2])
		f.WriteString(content[len(content)/2:])
		f.Close()
		if to != path {
			if err := os.Rename(to, path); err != nil {
				w.err = err
			}
		}
		return
	}
}

func (w *writer) blob(data string, rename bool) storage.Digest {
	d := storage.SHA256.Of([]byte(data))
	path := storage.BlobPath(d) + "/data"
	if _, err := os.Stat(filepath.Join(w.dir, path)); err != nil {
		w.put(path, data, rename)
	}
	return d
}

func (w *writer) layer(repo, data string) storagetest.Descriptor {
	d := w.blob(data, true)
	w.put(storage.LayerPath(repo, d)+"/link", d.String(), false)
	return storagetest.Descriptor{Digest: d.String(), Size: len(data)}
}

func (w *writer) push(repo, tag string, layers ...string) {
	config := w.layer(repo, fmt.Sprintf("config %s %d", tag, rand.Uint64()))
	text := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":%q,"size":%d},"layers":[`, config.Digest, config.Size)
	for i, l := range layers {
		if i > 0 {
			text += ","
		}
		d := w.layer(repo, l)
		text += fmt.Sprintf(`{"digest":%q,"size":%d}`, d.Digest, d.Size)
	}
	m := w.blob(text+"]}", false)
	w.put(storage.RevisionPath(repo, m)+"/link", m.String(), false)
	w.put(storage.HistoryPath(repo, tag, m)+"/link", m.String(), false)
	w.put(storage.TagLinkPath(repo, tag), m.String(), false)
}

// While a registry writes, deletes tags, and is collected, nothing is damaged.
func TestNoFalseFindings(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		t.Run(fmt.Sprintf("in place %v", inPlace), func(t *testing.T) {
			t.Parallel()
			tree := storagetest.New(t.TempDir())
			stop := make(chan struct{})
			var wg sync.WaitGroup
			writers := make([]*writer, 4)
			for i := range writers {
				w := &writer{dir: tree.Dir, inPlace: inPlace}
				writers[i] = w
				wg.Go(func() {
					for n := 0; w.err == nil; n++ {
						select {
						case <-stop:
							return
						default:
						}
						repo, tag := fmt.Sprintf("repo%d", n%3), fmt.Sprintf("t%d-%d", i, n%3)
						w.push(repo, tag, fmt.Sprintf("layer %d", n%7), fmt.Sprintf("layer %d %d", i, n))
						if n%5 == 4 {
							w.err = os.RemoveAll(filepath.Join(tree.Dir, storage.TagPath(repo, tag)))
						}
						time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
					}
				})
			}
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(700 * time.Millisecond):
					}
					// Its grace is longer than a push, as it has to be.
					_, err := gc.Collect(context.Background(), tree.Dir, gc.Options{DeleteUntagged: true, Grace: 3 * time.Second, KeepTrash: 0})
					if err != nil {
						t.Error(err)
					}
				}
			})
			runs := 0
			for end := time.Now().Add(8 * time.Second); runs < 8 || time.Now().Before(end); runs++ {
				r := run(t, tree.Dir, Options{Fast: runs%2 == 0, Settle: 500 * time.Millisecond})
				for _, p := range r.Problems {
					if p.Severity != Untidy {
						t.Errorf("run %d: %+v", runs, p)
					}
				}
				if len(r.Broken) > 0 {
					t.Errorf("run %d: %+v", runs, r.Broken)
				}
			}
			close(stop)
			wg.Wait()
			for _, w := range writers {
				if w.err != nil {
					t.Error(w.err)
				}
			}
			t.Logf("%d checks", runs)
			if r := run(t, tree.Dir, Options{}); r.Damaged() || r.Checked.Tags == 0 {
				t.Errorf("afterwards: %+v", r.Problems)
			}
		})
	}
}
