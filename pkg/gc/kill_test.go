package gc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
	"github.com/regctl/regctl/pkg/lock"
)

// stopAt makes a step that returns err at the n-th change, and at all after it
// if they all fail. It counts the changes.
func stopAt(n int, err error, all bool, count *int) func(string, string) error {
	return func(string, string) error {
		*count++
		if n > 0 && (*count == n || all && *count > n) {
			return err
		}
		return nil
	}
}

// serial is the same options with one thing at a time, so that the n-th change
// is the same in each run.
func serial(o Options) Options {
	o.Workers = 1
	return o
}

// A run is killed before each change that it makes. The next run leaves what
// one that was never disturbed leaves; and if there is none, what the trash holds
// can be put back.
func TestKilledBeforeEachChange(t *testing.T) {
	root := memory(t)
	kills := 0
	for _, seed := range seeds(t, 12) {
		for n := 1; ; n += 1 + n/25 {
			dir := filepath.Join(root, fmt.Sprintf("%d-%d", seed, n))
			tree, o := randomly(dir, seed, seed%2 == 0)
			before := snapshot(t, dir)
			want := expected(dir, o, tree.Now)
			count := 0
			killed := serial(o)
			killed.step = stopAt(n, errKilled, true, &count)
			_, err := Collect(t.Context(), dir, killed)
			if err == nil {
				break
			}
			kills++
			if !errors.Is(err, errKilled) {
				t.Fatalf("seed %d, killed before change %d: %v", seed, n, err)
			}
			if n%2 == 0 { // undone first
				if _, err := Undo(t.Context(), dir, o); err != nil && !errors.Is(err, ErrNothingToUndo) {
					t.Fatalf("seed %d, killed before change %d, then undo: %v", seed, n, err)
				}
				compare(t, fmt.Sprintf("seed %d, killed before change %d, undone", seed, n), snapshot(t, dir), before)
			}
			if _, err := Collect(t.Context(), dir, o); err != nil {
				t.Fatalf("seed %d, killed before change %d, then again: %v", seed, n, err)
			}
			if diff := gctest.Difference(dir, want); diff != "" {
				t.Fatalf("seed %d, killed before change %d, then again:\n%s", seed, n, diff)
			}
			os.RemoveAll(dir)
		}
	}
	if kills < 100 {
		t.Errorf("only %d kills", kills)
	}
}

// The same for undoing and for purging.
func TestUndoAndPurgeKilled(t *testing.T) {
	root := memory(t)
	for _, what := range []string{"undo", "purge"} {
		for _, seed := range []uint64{1, 2, 5, 8} {
			for n := 1; ; n++ {
				dir := filepath.Join(root, fmt.Sprintf("%s-%d-%d", what, seed, n))
				tree, o := randomly(dir, seed, false)
				before := snapshot(t, dir)
				want := expected(dir, o, tree.Now)
				first, err := Collect(t.Context(), dir, o)
				if err != nil {
					t.Fatal(err)
				}
				if first.Run == "" {
					break
				}
				count := 0
				killed := serial(o)
				killed.step = stopAt(n, errKilled, true, &count)
				killed.KeepTrash = 0
				if what == "undo" {
					_, err = Undo(t.Context(), dir, killed)
				} else {
					_, err = Purge(t.Context(), dir, killed)
				}
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				if what == "undo" {
					if _, err := Undo(t.Context(), dir, o); err != nil && !errors.Is(err, ErrNothingToUndo) {
						t.Fatal(err)
					}
					compare(t, fmt.Sprintf("seed %d, undo killed before change %d, then again", seed, n), snapshot(t, dir), before)
				} else {
					o.KeepTrash = 0
					if _, err := Purge(t.Context(), dir, o); err != nil {
						t.Fatal(err)
					}
					if diff := gctest.Difference(dir, want); diff != "" {
						t.Fatalf("seed %d, purge killed before change %d, then again:\n%s", seed, n, diff)
					}
					if left, _ := os.ReadDir(filepath.Join(dir, trashDir)); len(left) != 0 {
						t.Errorf("left in the trash: %v", left)
					}
				}
				os.RemoveAll(dir)
				if err == nil || t.Failed() {
					break
				}
			}
		}
	}
}

// A change that fails once is taken back, with all that went before it. If
// nothing works any more, the next run does it.
func TestChangesThatFail(t *testing.T) {
	root := memory(t)
	faults := []error{syscall.ENOSPC, syscall.EROFS, syscall.EACCES, syscall.EIO}
	for _, seed := range []uint64{1, 2, 5, 8} {
		for n := 1; ; n += 1 + n/15 {
			fault := faults[n%len(faults)]
			forEver := n%3 == 0
			dir := filepath.Join(root, fmt.Sprintf("%d-%d", seed, n))
			tree, o := randomly(dir, seed, false)
			before := snapshot(t, dir)
			want := expected(dir, o, tree.Now)
			count := 0
			failing := serial(o)
			failing.step = stopAt(n, fault, forEver, &count)
			_, err := Collect(t.Context(), dir, failing)
			if err == nil {
				break
			}
			if !errors.Is(err, fault) {
				t.Fatalf("seed %d, change %d fails with %v: %v", seed, n, fault, err)
			}
			if !forEver {
				if left, err := List(dir); err != nil || len(left) == 0 {
					compare(t, fmt.Sprintf("seed %d, change %d failed", seed, n), snapshot(t, dir), before)
				}
			}
			if _, err := Collect(t.Context(), dir, o); err != nil {
				t.Fatalf("seed %d, change %d failed, then again: %v", seed, n, err)
			}
			if diff := gctest.Difference(dir, want); diff != "" {
				t.Fatalf("seed %d, change %d failed, then again:\n%s", seed, n, diff)
			}
			os.RemoveAll(dir)
		}
	}
}

// One that is interrupted puts back what it took.
func TestInterrupted(t *testing.T) {
	dir := filepath.Join(memory(t), "d")
	_, o := randomly(dir, 5, false)
	before := snapshot(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	moves := 0
	o.step = func(what, _ string) error {
		if what == "move" {
			moves++
			cancel()
		}
		return nil
	}
	_, err := Collect(ctx, dir, o)
	if moves == 0 {
		t.Fatal("nothing was moved")
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	compare(t, "interrupted", snapshot(t, dir), before)
}

func TestTwoAtOnce(t *testing.T) {
	dir := filepath.Join(memory(t), "d")
	_, o := randomly(dir, 5, false)
	r, err := Begin(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var held *lock.HeldError
	if _, err := Collect(t.Context(), dir, o); !errors.As(err, &held) {
		t.Errorf("a second run: %v", err)
	}
	if _, err := Undo(t.Context(), dir, o); !errors.As(err, &held) {
		t.Errorf("undo: %v", err)
	}
	if _, err := Purge(t.Context(), dir, o); !errors.As(err, &held) {
		t.Errorf("purge: %v", err)
	}
	dry := o
	dry.DryRun = true
	if _, err := Collect(t.Context(), dir, dry); err != nil {
		t.Errorf("a dry run needs no lock: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(t.Context(), dir, o); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// A clock that was wrong may keep too much, or end the grace; what a tag names
// stays whole.
func TestClockJumps(t *testing.T) {
	root := memory(t)
	for _, seed := range seeds(t, 12) {
		dir := filepath.Join(root, fmt.Sprint(seed))
		tree, o := randomly(dir, seed, seed%2 == 0)
		before := snapshot(t, dir)
		o.Tags, o.Repositories = nil, nil
		o.Now = func() time.Time { return tree.Now.Add(-10 * 365 * 24 * time.Hour) }
		got, err := Collect(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if got.Blobs.Deleted+got.Manifests.Deleted+got.Tags.Deleted != 0 {
			t.Errorf("seed %d: in the past %+v went", seed, got)
		}
		compare(t, fmt.Sprintf("seed %d, in the past", seed), snapshot(t, dir), before)
		future := tree.Now.Add(10 * 365 * 24 * time.Hour)
		o.Now = func() time.Time { return future }
		want := expected(dir, o, future)
		if _, err := Collect(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		if diff := gctest.Difference(dir, want); diff != "" {
			t.Errorf("seed %d, in the future:\n%s", seed, diff)
		}
		// Back in the present, the trash of the future is not old.
		o.Now = func() time.Time { return tree.Now }
		if _, err := Purge(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		if _, err := Undo(t.Context(), dir, o); err != nil && !errors.Is(err, ErrNothingToUndo) {
			t.Fatal(err)
		}
		compare(t, fmt.Sprintf("seed %d, undone", seed), snapshot(t, dir), before)
		os.RemoveAll(dir)
	}
}
