package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/lock"
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
				if r, err := Prepared(root); err != nil {
					t.Fatal(err)
				} else if r == nil {
					if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{Match: match}); err != nil {
						t.Fatal(err)
					}
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

func TestADamagedStore(t *testing.T) {
	layer := storage.SHA256.Of([]byte("layer one"))
	damages := map[string]struct {
		do   func(t *testing.T, s *Store, dir, id string)
		want string // a problem of verify
		err  error  // of a restore
	}{
		"a flipped bit":  {func(t *testing.T, s *Store, dir, _ string) { flip(t, filepath.Join(dir, s.blobName(layer)), -1) }, ObjectCorrupt, ErrIncomplete},
		"a missing blob": {func(t *testing.T, s *Store, dir, _ string) { remove(t, filepath.Join(dir, s.blobName(layer))) }, ObjectMissing, ErrIncomplete},
		"a truncated blob": {func(t *testing.T, s *Store, dir, _ string) {
			if err := os.Truncate(filepath.Join(dir, s.blobName(layer)), 4); err != nil {
				t.Fatal(err)
			}
		}, ObjectSize, ErrIncomplete},
		"swapped blobs": {func(t *testing.T, s *Store, dir, _ string) {
			a, b := filepath.Join(dir, s.blobName(layer)), filepath.Join(dir, s.blobName(storage.SHA256.Of([]byte("layer two"))))
			for _, err := range []error{os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}, ObjectCorrupt, ErrIncomplete},
		"a flipped bit in the listing": {func(t *testing.T, s *Store, dir, id string) {
			flip(t, partPath(s, dir, id, listingName+s.suffix()), 30)
		}, SnapshotDamaged, ErrSnapshot},
		"a flipped bit in the blobs": {func(t *testing.T, s *Store, dir, id string) { flip(t, partPath(s, dir, id, blobsName), 30) }, SnapshotDamaged, ErrSnapshot},
		"a truncated listing": {func(t *testing.T, s *Store, dir, id string) {
			if err := os.Truncate(partPath(s, dir, id, listingName+s.suffix()), 60); err != nil {
				t.Fatal(err)
			}
		}, SnapshotDamaged, ErrSnapshot},
	}
	both, _ := testKeys(t)
	for name, d := range damages {
		for kind, keys := range map[string]Keys{"plain": {}, "encrypted": both} {
			t.Run(name+" "+kind, func(t *testing.T) {
				src, dst := t.TempDir(), t.TempDir()
				smallTree(src)
				s := openStore(t, dst, keys)
				create(t, s, src)
				snap := snapshots(t, s)[0]
				d.do(t, s, dst, snap.ID)
				v, err := s.Verify(t.Context(), VerifyOptions{Data: 1})
				if err != nil {
					t.Fatal(err)
				}
				if len(v.Problems) == 0 || v.Problems[0].ID != d.want {
					t.Errorf("verify: %+v", v.Problems)
				}
				root := filepath.Join(t.TempDir(), "new")
				if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{}); !errors.Is(err, d.err) {
					t.Errorf("restore: %v", err)
				}
				if r, err := Prepared(root); r != nil || err != nil {
					t.Errorf("prepared although damaged: %v %v", r, err)
				}
				if d.err == ErrIncomplete {
					r, err := s.Stage(t.Context(), snap, root, RestoreOptions{Damaged: true})
					if err != nil || len(r.Problems) == 0 {
						t.Errorf("what is left: %v %+v", err, r)
					}
				}
			})
		}
	}
}

func partPath(s *Store, dir, id, name string) string {
	return filepath.Join(dir, s.snapshotName(id, name))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongKey(t *testing.T) {
	mine, _ := testKeys(t)
	other, _ := testKeys(t)
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, mine)
	create(t, s, src)
	snap := snapshots(t, s)[0]
	for name, keys := range map[string]Keys{"none": {}, "another": other} {
		s.keys = keys
		if _, err := s.Stage(t.Context(), snap, t.TempDir(), RestoreOptions{}); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); !errors.Is(err, ErrKey) {
			t.Errorf("%s: verify --data: %v", name, err)
		}
	}
	s.keys = Keys{}
	if v, err := s.Verify(t.Context(), VerifyOptions{}); err != nil || len(v.Problems) > 0 || v.Links {
		t.Errorf("structure without a key: %v %+v", err, v)
	}
	if _, err := s.Prune(t.Context(), PruneOptions{}); err != nil {
		t.Errorf("prune without a key: %v", err)
	}
	if _, err := Create(t.Context(), s.Target, Keys{}); !errors.Is(err, ErrKey) {
		t.Errorf("a backup that is not encrypted into one that is: %v", err)
	}
	plain := openStore(t, t.TempDir(), Keys{})
	if _, err := Create(t.Context(), plain.Target, mine); !errors.Is(err, ErrKey) {
		t.Errorf("the reverse: %v", err)
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

func TestLocks(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	_, shared, err := s.Locked(t.Context(), false, "regctl backup")
	if err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if _, err := s.Prune(t.Context(), PruneOptions{}); !errors.As(err, &busy) || busy.Holder.Command != "regctl backup" {
		t.Errorf("prune beside a backup: %v", err)
	}
	create(t, s, src) // beside another backup
	if err := shared.Release(); err != nil {
		t.Fatal(err)
	}
	_, exclusive, err := s.Locked(t.Context(), true, "regctl backup prune")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), src, Options{}); !errors.As(err, &busy) {
		t.Errorf("a backup beside prune: %v", err)
	}
	// Broken by hand: its holder notices.
	if broken, err := s.Unlock(t.Context()); err != nil || len(broken) != 1 {
		t.Fatal(err, broken)
	}
	if err := exclusive.Check(t.Context()); !errors.Is(err, ErrLockLost) {
		t.Errorf("%v", err)
	}
	if err := exclusive.Release(); err != nil {
		t.Fatal(err)
	}
	// One that nobody renewed, and one of a process of this host that is gone.
	old := filepath.Join(dst, "locks/exclusive-OLD.json")
	if err := os.WriteFile(old, []byte(`{"command":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), src, Options{}); !errors.As(err, &busy) {
		t.Errorf("a young lock of an unknown host: %v", err)
	}
	when := time.Now().Add(-lockStale - time.Minute)
	if err := os.Chtimes(old, when, when); err != nil {
		t.Fatal(err)
	}
	create(t, s, src)
	gone := fmt.Sprintf(`{"pid":%d,"space":%q}`, 1<<22+1, pidSpace())
	if err := os.WriteFile(filepath.Join(dst, "locks/exclusive-GONE.json"), []byte(gone), 0o600); err != nil {
		t.Fatal(err)
	}
	create(t, s, src)
	if locks, err := s.Locks(t.Context()); err != nil || len(locks) != 0 {
		t.Errorf("%v %v", err, locks)
	}
}

// A lock that is broken in the middle ends the run before it makes a snapshot.
func TestABrokenLockMakesNoSnapshot(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	_, err := s.Create(t.Context(), src, Options{step: func(what string) error {
		if what == summaryName {
			_, err := s.Unlock(context.Background())
			return err
		}
		return nil
	}})
	if !errors.Is(err, ErrLockLost) || len(snapshots(t, s)) != 0 {
		t.Fatalf("%v", err)
	}
}

func TestTheStoragesLock(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	if err := os.MkdirAll(filepath.Join(src, ".regctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	held, err := lock.Acquire(t.Context(), filepath.Join(src, ".regctl/lock"), "regctl gc", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	s := openStore(t, t.TempDir(), Keys{})
	var busy *lock.HeldError
	if _, err := s.Create(t.Context(), src, Options{}); !errors.As(err, &busy) {
		t.Fatal(err)
	}
}

func TestTwoBackupsAtOnce(t *testing.T) {
	dst := t.TempDir()
	var wg sync.WaitGroup
	errs := make([]error, 4)
	roots := make([]string, 4)
	for i := range 4 {
		roots[i] = t.TempDir()
		randomTree(roots[i], rand.New(rand.NewPCG(uint64(i), 1)))
	}
	for i := range 4 {
		wg.Go(func() {
			target, err := OpenDir(dst, true)
			if err == nil {
				defer target.Close()
				var s *Store
				if s, err = Create(context.Background(), target, Keys{}); err == nil {
					_, err = s.Create(context.Background(), roots[i], Options{})
				}
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dst, Keys{})
	if n := len(snapshots(t, s)); n != 4 {
		t.Fatalf("%d snapshots", n)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatal(err, v.Problems)
	}
}

func TestADirectoryWithSomethingElseIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := OpenDir(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := Create(t.Context(), target, Keys{}); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Fatal(err)
	}
	if len(files(t, dir)) != 1 {
		t.Fatal("it was written to")
	}
}
