//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// checked is what `regctl fsck --json` says.
type checked struct {
	Checked    struct{ Repositories, Tags, Blobs, Hashed int }
	Unpullable []struct{ Repository, Tag, ID string }
	Problems   []struct{ ID, Severity, Repository, Digest, Path, Message string }
	Repairs    []struct {
		Action, Path, From string
		Done               bool
	}
}

// broken are the tags that cannot be pulled.
func (c checked) broken() string {
	var out []string
	for _, b := range c.Unpullable {
		out = append(out, b.Repository+":"+b.Tag)
	}
	return strings.Join(out, " ")
}

// Damage of a real registry's volume is found from outside, told by the tags that
// it breaks, and mended from a copy; then the registry serves every tag again.
func TestFsckRepairsStack(t *testing.T) {
	t.Parallel()
	for name, image := range map[string]string{"registry 3": imageRegistry3, "registry 2": imageRegistry2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, options{registry: image})
			digest := f.pushRandom(t, "team/app:1", 3)
			f.pushRandom(t, "other/app:good", 2)
			f.pushIndex(t, "team/multi:1", 2)
			tags := []string{"team/app:1", "other/app:good", "team/multi:1"}
			var c checked
			f.must(t, "fsck", "--json").json(t, &c)
			if len(c.Problems) != 0 || c.Checked.Tags != 3 || c.Checked.Hashed != c.Checked.Blobs || c.Checked.Blobs == 0 {
				t.Fatalf("a healthy registry: %+v", c)
			}
			volume := f.volume(t, "registry-data")
			copied := filepath.Join(t.TempDir(), "copy")
			tool(t, "cp", "-a", volume, copied)

			v2 := filepath.Join(volume, "docker/registry/v2")
			layer := largestBlob(t, v2, "team/app")
			overwrite(t, filepath.Join(v2, "blobs/sha256", layer[:2], layer, "data"), "these are not the bytes")
			overwrite(t, filepath.Join(v2, "repositories/team/app/_manifests/revisions/sha256", strings.TrimPrefix(digest, "sha256:"), "link"), "")
			if err := os.RemoveAll(filepath.Join(v2, "repositories/team/multi/_layers")); err != nil {
				t.Fatal(err)
			}

			r := f.regctl(t, "fsck", "--json")
			r.want(t, 3)
			r.json(t, &c)
			if c.broken() != "team/app:1 team/multi:1" {
				t.Fatalf("broken: %s: %v", c.broken(), r)
			}
			if err := f.tryWhole(t, "team/app:1"); err == nil {
				t.Error("the damaged tag can be pulled")
			}
			r = f.regctl(t, "fsck", "--repair", "--from", copied, "--dry-run")
			r.want(t, 3)
			if !strings.Contains(r.stdout, "would fetch sha256:"+layer+" for team/app from "+copied) {
				t.Errorf("plan: %v", r)
			}
			c = checked{}
			f.must(t, "fsck", "--repair", "--from", copied, "--json").json(t, &c)
			if len(c.Problems) != 0 || len(c.Repairs) < 3 {
				t.Errorf("after the repair: %+v", c)
			}
			for _, tag := range tags {
				f.whole(t, tag)
			}
			c = checked{}
			f.must(t, "fsck", "--json").json(t, &c)
			if len(c.Problems) != 0 || c.Checked.Hashed != c.Checked.Blobs {
				t.Errorf("checked again: %+v", c)
			}
			if left, _ := filepath.Glob(filepath.Join(volume, ".regctl/damaged/*/docker/registry/v2/blobs/sha256/*/"+layer+"/data")); len(left) != 1 {
				t.Errorf("what was bad is not in its place: %q", left)
			}
			f.pushRandom(t, "team/app:2", 1)
			f.whole(t, "team/app:2")
		})
	}
}

// What pushes have under way is never taken for damage.
func TestFsckWhilePushing(t *testing.T) {
	t.Parallel()
	for name, image := range map[string]string{"registry 3": imageRegistry3, "registry 2": imageRegistry2} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, options{registry: image})
			f.pushRandom(t, "busy/app:first", 1)
			root := f.volume(t, "registry-data")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for w := range 3 {
				wg.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						// A repository for each: 2.x writes a tag's link in place, and answers 500
						// to another who asks for it just then.
						f.pushRandom(t, fmt.Sprintf("busy/app%d:%d", w, n%4), 2)
					}
				})
			}
			end := time.Now().Add(20 * time.Second)
			runs := 0
			for ; time.Now().Before(end) && !t.Failed(); runs++ {
				args := []string{"fsck", "--json", "--dry-run", "--root", root}
				if runs%2 == 0 {
					args = append(args, "--fast")
				}
				var c checked
				r := f.regctl(t, args...)
				r.json(t, &c)
				if r.status != 0 || len(c.Problems) > 0 {
					t.Errorf("run %d: status %d, %+v", runs, r.status, c.Problems)
				}
			}
			close(stop)
			wg.Wait()
			t.Logf("%d checks", runs)
			if runs < 5 {
				t.Errorf("only %d checks", runs)
			}
		})
	}
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// largestBlob is the digest, without its algorithm, of the largest blob of those
// that a repository links as layers.
func largestBlob(t *testing.T, v2, repo string) (found string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(v2, "repositories", repo, "_layers/sha256"))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, e := range entries {
		if fi, err := os.Stat(filepath.Join(v2, "blobs/sha256", e.Name()[:2], e.Name(), "data")); err == nil && fi.Size() > size {
			size, found = fi.Size(), e.Name()
		}
	}
	return found
}
