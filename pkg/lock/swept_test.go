package lock_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/lock"
)

// An init that takes back what a killed one left sweeps the state directory, in
// which another may just be making the lock's file, before it has any lock.
func TestSweptWhileItIsMade(t *testing.T) {
	for range 100 {
		dir := filepath.Join(t.TempDir(), "state")
		swept := make(chan error, 1)
		go func() {
			for !exists(dir) {
				runtime.Gosched()
			}
			var errs []error
			for range 20 {
				errs = append(errs, durable.Sweep(filepath.Dir(dir), 0), durable.Sweep(dir, 0))
			}
			swept <- errors.Join(errs...)
		}()
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := lock.Acquire(t.Context(), filepath.Join(dir, "lock"), "regctl init", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Release(), <-swept); err != nil {
			t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
