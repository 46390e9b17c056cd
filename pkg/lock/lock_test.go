package lock

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func acquire(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := Acquire(t.Context(), path, "regctl test", 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestAcquireSaysWhoHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	before := time.Now().Add(-time.Second)
	l := acquire(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var h Holder
	if err := json.Unmarshal(data, &h); err != nil {
		t.Fatal(err)
	}
	if h.PID != os.Getpid() || h.Command != "regctl test" || h.Started.Before(before) || h.Started.After(time.Now()) {
		t.Errorf("the holder is %+v", h)
	}
	_, err = Acquire(t.Context(), path, "regctl other", 0)
	var held *HeldError
	if !errors.As(err, &held) {
		t.Fatalf("error %v, want a HeldError", err)
	}
	if held.Holder != h || held.Path != path {
		t.Errorf("held by %+v of %s, want %+v", held.Holder, held.Path, h)
	}
	release(t, l)
	release(t, acquire(t, path))
}

func TestHeldErrorText(t *testing.T) {
	e := &HeldError{Path: "/d/lock", Holder: Holder{PID: 42, Command: "regctl gc", Started: time.Now().Add(-90 * time.Second)}}
	if got, want := e.Error(), `another regctl is at work here: "regctl gc", pid 42, for 1m30s`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Holder = Holder{}
	if got, want := e.Error(), "/d/lock is locked by another regctl"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whoever holds the lock may have written nothing yet, or been killed while
// writing; the lock holds all the same.
func TestUnreadableHolder(t *testing.T) {
	for _, contents := range []string{"", "{", "\x00\x00", `{"pid": "x"}`, `[]`} {
		path := filepath.Join(t.TempDir(), "lock")
		l := acquire(t, path)
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Acquire(t.Context(), path, "regctl other", 0)
		var held *HeldError
		if !errors.As(err, &held) || held.Holder != (Holder{}) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: error %v", contents, err)
		}
		release(t, l)
		release(t, acquire(t, path)) // and what is in the file stops nobody
	}
}

// What is left in the file from an earlier, longer command is not read with it.
func TestShorterHolderAfterLonger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(t.Context(), path, "regctl "+strings.Repeat("long ", 100), 0)
	if err != nil {
		t.Fatal(err)
	}
	release(t, l)
	l = acquire(t, path)
	defer release(t, l)
	if h := read(path); h.Command != "regctl test" {
		t.Errorf("the holder is %+v", h)
	}
}

func TestAcquireWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := acquire(t, path)
	waiting := make(chan error)
	go func() {
		second, err := Acquire(t.Context(), path, "regctl second", time.Minute)
		if err == nil {
			err = second.Release()
		}
		waiting <- err
	}()
	select {
	case err := <-waiting:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(5 * poll):
	}
	release(t, l)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

func TestAcquireGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	defer release(t, acquire(t, path))
	began := time.Now()
	_, err := Acquire(t.Context(), path, "regctl second", 5*poll)
	var held *HeldError
	if !errors.As(err, &held) {
		t.Errorf("error %v, want a HeldError", err)
	}
	if took := time.Since(began); took < 5*poll || took > 10*time.Second {
		t.Errorf("gave up after %s", took)
	}
}

func TestAcquireIsInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := acquire(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(3*poll, cancel)
	if _, err := Acquire(ctx, path, "regctl second", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	release(t, l)
	release(t, acquire(t, path)) // the one that gave up holds nothing
}

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, most, entered atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			l, err := Acquire(t.Context(), path, "regctl test", time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n > 1 {
				most.Store(n)
			}
			entered.Add(1)
			time.Sleep(time.Millisecond) // a chance for another to come in
			inside.Add(-1)
			release(t, l)
		})
	}
	wg.Wait()
	if most.Load() != 0 || entered.Load() != 20 {
		t.Errorf("%d at once, %d in all", most.Load(), entered.Load())
	}
}

func TestModeAndOwner(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		// Root at work in a deployment of somebody else's must not lock him out.
		uid, gid = 1234, 1235
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "lock")
	for range 2 {
		release(t, acquire(t, path))
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		if fi.Mode() != 0o600 || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("the file is %v of %d:%d, want 0600 of %d:%d", fi.Mode(), st.Uid, st.Gid, uid, gid)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("there are %v (%v), want the lock alone", names, err)
	}
}

func TestAcquireWithoutDirectory(t *testing.T) {
	_, err := Acquire(t.Context(), filepath.Join(t.TempDir(), "missing", "lock"), "regctl test", time.Minute)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that it does not exist", err)
	}
}
