// Package lock keeps two runs of regctl from changing one deployment at once.
//
// The lock is an flock(2) on a file, so the kernel drops it when its holder
// ends, however that ends: there is no stale lock to break by hand. The file's
// content (pid, command, start) only tells a person who holds it.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/regctl/regctl/pkg/durable"
)

// poll is how often a waiting caller tries again.
const poll = 20 * time.Millisecond

// Holder says who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Started time.Time `json:"started"`
}

// HeldError says that another process holds the lock.
type HeldError struct {
	Path   string
	Holder Holder // zero when the holder has not yet written who it is
}

func (e *HeldError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s is locked by another regctl", e.Path)
	}
	return fmt.Sprintf("another regctl is at work here: %q, pid %d, for %s",
		e.Holder.Command, e.Holder.PID, time.Since(e.Holder.Started).Round(time.Second))
}

// Lock is a held lock.
type Lock struct{ f *flock.Flock }

// Acquire takes the lock in the file at path, creating the file (mode 0600) but
// not its directory. command is what the holder is doing, for whoever meets the
// lock; it must not carry secrets. While another holds it, Acquire waits up to
// wait and then returns a *HeldError.
func Acquire(ctx context.Context, path, command string, wait time.Duration) (*Lock, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	f := flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	deadline := time.Now().Add(wait)
	for {
		ok, err := f.TryLock()
		if err != nil {
			return nil, err
		}
		if ok {
			break
		}
		if time.Now().After(deadline) {
			f.Close()
			return nil, &HeldError{Path: path, Holder: holder(path)}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(poll):
		}
	}
	who, err := json.Marshal(Holder{PID: os.Getpid(), Command: command, Started: time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		// In place, not by rename: the lock is on this inode.
		err = os.WriteFile(path, append(who, '\n'), 0o600)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// create makes the lock's file if there is none. Made by root it belongs to the
// owner of its directory, who could not open it otherwise.
func create(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for tries := 1; ; tries++ {
		err := durable.CreateFile(path, nil, 0o600)
		switch {
		case errors.Is(err, fs.ErrExist):
			return nil // another process was faster
		case !errors.Is(err, fs.ErrNotExist) || tries == sweeps:
			return err
		}
		// Another process may have taken our half-made file for one that a killed
		// run left: nobody has the lock yet. No sweep lasts.
	}
}

// sweeps is more often than anyone sweeps while a file is made.
const sweeps = 100

// Release gives the lock up. The file stays: removing it would let a third
// process lock a new file of that name while a second still waits on the old.
func (l *Lock) Release() error { return l.f.Close() }

// holder reads who holds the lock. For an instant that is still the one before,
// or nobody: a holder writes its name once it has the lock. A process that does
// not run cannot be it, unless it is hidden in another container.
func holder(path string) (h Holder) {
	for range 10 {
		if h = read(path); h.PID != 0 && alive(h.PID) {
			break
		}
		time.Sleep(poll)
	}
	return h
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func read(path string) (h Holder) {
	data, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}
