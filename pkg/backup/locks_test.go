package backup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/lock"
)

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

// preempted is a target in which another makes its store just before this one looks
// around.
type preempted struct {
	Target
	once sync.Once
}

func (p *preempted) List(ctx context.Context, prefix string, f func(Object) error) (err error) {
	p.once.Do(func() { _, err = Create(ctx, p.Target, Keys{}) })
	if err != nil {
		return err
	}
	return p.Target.List(ctx, prefix, f)
}

func TestAStoreThatAppearsMeanwhile(t *testing.T) {
	d, err := OpenDir(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := Create(t.Context(), &preempted{Target: d}, Keys{}); err != nil {
		t.Error(err)
	}
}
