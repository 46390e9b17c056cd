package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// killAt ends a run as a kill would at the n-th change; n counts down.
func killAt(n int) func(string) error {
	var mu sync.Mutex
	return func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if n--; n < 0 {
			return errStep
		}
		return nil
	}
}

func smallTree(dir string) *storagetest.Tree {
	tree := storagetest.New(dir)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer one", "layer two"))
	tree.Tag("team/app", "v2", tree.Index("team/app", tree.Image("team/app", "config 2", "layer one")))
	return tree
}

func TestABackupThatIsKilledAnywhereIsTakenUpAgain(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	for n := 0; ; n++ {
		dst := t.TempDir()
		s := openStore(t, dst, Keys{})
		first := create(t, s, src)
		more := t.TempDir()
		smallTree(more)
		tree := storagetest.New(more)
		tree.Tag("app", "v3", tree.Image("app", "config 3", "layer three"))
		// The store as a killed process leaves it: what was not flushed is not there.
		dead, err := OpenDir(dst, false)
		if err != nil {
			t.Fatal(err)
		}
		killed, err := Open(t.Context(), dead, Keys{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = killed.Create(t.Context(), more, Options{step: killAt(n), Workers: 1})
		if err == nil {
			if n < 8 {
				t.Fatalf("only %d steps", n)
			}
			break
		}
		if !errors.Is(err, errStep) {
			t.Fatal(n, err)
		}
		if all := snapshots(t, s); len(all) > 1 {
			// The sums were there when it was killed: then it is whole.
			if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
				t.Fatal(n, err, v.Problems)
			}
		} else if all[0].ID != first.Snapshot {
			t.Fatalf("step %d: %v", n, all[0])
		}
		if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
			t.Fatal(n, err, v.Problems)
		}
		create(t, s, more)
		if diff := differences(registrySees(t, more), registrySees(t, bringBack(t, s))); len(diff) > 0 {
			t.Fatalf("step %d:\n%s", n, strings.Join(diff, "\n"))
		}
		if _, err := s.Prune(t.Context(), PruneOptions{}); err != nil {
			t.Fatal(n, err)
		}
		v, err := s.Verify(t.Context(), VerifyOptions{Data: 1})
		if err != nil || len(v.Problems) > 0 || v.Unused != 0 {
			t.Fatal(n, err, v)
		}
	}
}

func TestARestoreThatIsKilledAnywhereHarmsNothing(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	snap := snapshots(t, s)[0]
	want := registrySees(t, src)
	for _, match := range []func(string) bool{nil, func(name string) bool { return name == "app" }} {
		for n := 0; ; n++ {
			root := t.TempDir()
			tree := storagetest.New(root)
			tree.Tag("app", "old", tree.Image("app", "config", "old layer"))
			tree.Tag("other", "old", tree.Image("other", "config o", "other layer"))
			// A damaged blob that the restore brings anew.
			tree.File(storage.BlobPath(storage.SHA256.Of([]byte("layer one")))+"/data", "damaged!!")
			before := registrySees(t, root)
			step := killAt(n)
			opts := RestoreOptions{Match: match, Workers: 1, step: step}
			_, err := s.Stage(t.Context(), snap, root, opts)
			if err != nil && !errors.Is(err, errStep) {
				t.Fatal(err)
			}
			if diff := differences(before, registrySees(t, root)); len(diff) > 0 {
				t.Fatalf("step %d: staging changed: %v", n, diff)
			}
			killed := err != nil
			if err == nil {
				_, err = swap(t.Context(), root, "test", step)
				killed = err != nil
				if killed && !errors.Is(err, errStep) {
					t.Fatal(err)
				}
			}
			if killed {
				if match == nil {
					// Whole: all of the one or all of the other.
					now := registrySees(t, root)
					if len(differences(before, now)) > 0 && len(differences(want, now)) > 0 {
						t.Fatalf("step %d: neither old nor new", n)
					}
				}
				if _, err := prepared(root); errors.Is(err, ErrNotReady) {
					if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{Match: match}); err != nil {
						t.Fatal(err)
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if _, err := Swap(t.Context(), root, "test"); err != nil {
					t.Fatalf("step %d: %v", n, err)
				}
			}
			got := registrySees(t, root)
			expect := want
			if match != nil {
				expect = map[string]string{}
				for k, v := range want {
					if !strings.Contains(k, "repositories/team/app") && !strings.Contains(k, "blobs/") {
						expect[k] = v
					}
				}
				for k := range got {
					if strings.HasPrefix(k, "docker/registry/v2/repositories/other/") {
						expect[k] = before[k]
					}
				}
				for k := range got {
					if strings.Contains(k, "blobs/") {
						expect[k] = want[k]
						if expect[k] == "" {
							expect[k] = before[k]
						}
					}
				}
			}
			if diff := differences(expect, got); len(diff) > 0 {
				t.Fatalf("step %d, %v:\n%s", n, match == nil, strings.Join(diff, "\n"))
			}
			if !killed {
				if n < 5 {
					t.Fatalf("only %d steps", n)
				}
				break
			}
		}
	}
}

func TestWhatWasThereIsKept(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	root := t.TempDir()
	tree := storagetest.New(root)
	tree.Tag("app", "old", tree.Image("app", "config", "old layer"))
	before := registrySees(t, root)
	if _, err := s.Stage(t.Context(), snapshots(t, s)[0], root, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Swap(t.Context(), root, "test")
	if err != nil || r.Before == "" || r.Tags != 2 || r.Repositories != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	if diff := differences(before, registrySees(t, filepath.Join(root, r.Before))); len(diff) > 0 {
		t.Fatal(diff)
	}
	if _, err := os.Stat(filepath.Join(root, ".regctl/restore")); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// faulty is a target that fails at the n-th Put.
type faulty struct {
	Target
	mu   sync.Mutex
	n    int
	with error
}

func (f *faulty) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	f.mu.Lock()
	f.n--
	bad := f.n < 0
	f.mu.Unlock()
	if bad {
		_, _ = io.CopyN(io.Discard, r, 3)
		return &os.PathError{Op: "write", Path: name, Err: f.with}
	}
	return f.Target.Put(ctx, name, size, r)
}

func TestATargetThatFailsInTheMiddle(t *testing.T) {
	both, _ := testKeys(t)
	for _, keys := range []Keys{{}, both} {
		for _, with := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
			for n := 0; ; n++ {
				src, dst := t.TempDir(), t.TempDir()
				smallTree(src)
				s := openStore(t, dst, keys)
				dir := s.Target
				s.Target = &faulty{Target: dir, n: n, with: with}
				_, err := s.Create(t.Context(), src, Options{})
				if err == nil {
					if n < 9 {
						t.Fatalf("only %d writes", n)
					}
					break
				}
				if !errors.Is(err, with) {
					t.Fatalf("%d: %v", n, err)
				}
				s.Target = dir
				if all := snapshots(t, s); len(all) != 0 {
					t.Fatalf("%d: there is a snapshot", n)
				}
				create(t, s, src)
				if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
					t.Fatal(diff)
				}
				if n > 3 && with != syscall.ENOSPC {
					break
				}
			}
		}
	}
}
