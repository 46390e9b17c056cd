package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// namesIn are the names in a directory; what is temporary counts as its prefix.
func namesIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, TempPrefix) {
			name = TempPrefix
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func whole(w io.Writer) error {
	_, err := io.WriteString(w, "whole")
	return err
}

func TestStream(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "large")
	broken := errors.New("broken")
	if _, err := Stream(path, 0o640, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if got := namesIn(t, dir); got != "" {
		t.Errorf("one that failed half-way left %s", got)
	}
	size, err := Stream(path, 0o640, func(w io.Writer) error {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there before it is whole: %v", err)
		}
		return whole(w)
	})
	data, readErr := os.ReadFile(path)
	fi, statErr := os.Stat(path)
	if err != nil || size != 5 || string(data) != "whole" || readErr != nil || statErr != nil || fi.Mode() != 0o640 {
		t.Errorf("%d, %v, %q, %v, %v, %v", size, err, data, readErr, fi, statErr)
	}
	if got := namesIn(t, dir); got != "large" {
		t.Errorf("there is %s", got)
	}
	var about *fs.PathError
	if _, err := Stream(path, 0o640, nil); !errors.Is(err, fs.ErrExist) || !errors.As(err, &about) || about.Path != path {
		t.Errorf("over one that exists: %v", err)
	}
	if _, err := Stream(filepath.Join(dir, "no/such"), 0o640, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
}

// What a killed run left goes; what a run that lives writes, somebody's link and
// what belongs to another path stay.
func TestStreamDropsTheDead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "large")
	mine := func(name string) string { return filepath.Join(dir, TempPrefix+name) }
	victim := filepath.Join(t.TempDir(), "victim")
	for _, p := range []string{victim, mine("large-DEAD"), mine("large-LIVE"), mine("larger-DEAD")} {
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, mine("large-LINK")); err != nil {
		t.Fatal(err)
	}
	live, err := os.Open(mine("large-LIVE"))
	if err == nil {
		err = syscall.Flock(int(live.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if _, err := Stream(path, 0o600, whole); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{mine("large-DEAD"): false, mine("large-LIVE"): true, mine("large-LINK"): true, mine("larger-DEAD"): true, victim: true, path: true} {
		if _, err := os.Lstat(p); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(p), err)
		}
	}
}

// Of two at once on one path one wins, and neither takes the other's file away.
func TestStreamTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "large")
	var both, done sync.WaitGroup
	both.Add(2)
	errs := make([]error, 2)
	for i := range errs {
		done.Go(func() {
			_, errs[i] = Stream(path, 0o600, func(w io.Writer) error {
				both.Done()
				both.Wait() // until both have begun
				return whole(w)
			})
		})
	}
	done.Wait()
	lost := errs[0]
	if lost == nil {
		lost = errs[1]
	} else if errs[1] != nil {
		t.Errorf("both failed: %v", errs)
	}
	if !errors.Is(lost, fs.ErrExist) {
		t.Errorf("the second: %v", lost)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "whole" {
		t.Errorf("%q, %v", data, err)
	}
	if got := namesIn(t, dir); got != "large" {
		t.Errorf("there is %s", got)
	}
}
