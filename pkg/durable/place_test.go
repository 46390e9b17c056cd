package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	for _, target := range []string{"one", "../two", "/three", "one"} {
		if err := Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(link); err != nil || got != target {
			t.Errorf("leads to %q (%v), want %q", got, err, target)
		}
	}
	noTemp(t, dir)
}

// There is never an instant without the link.
func TestSymlinkIsAlwaysThere(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for reads := 0; ; reads++ {
			select {
			case <-stop:
				if reads < 10 {
					t.Errorf("only %d looks", reads)
				}
				return
			default:
			}
			if _, err := os.Readlink(link); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 200 {
		if err := Symlink([]string{"a", "b"}[i%2], link); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestSymlinkReplacesNothingElse(t *testing.T) {
	dir := t.TempDir()
	file, sub := filepath.Join(dir, "file"), filepath.Join(dir, "sub")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, sub} {
		if err := Symlink("t", path); err == nil {
			t.Errorf("replaced %s", path)
		}
	}
	holds(t, file, "x", 0o600)
	noTemp(t, dir)
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "a")
	if err := os.WriteFile(from, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(dir, "b"), filepath.Join(dir, "sub", "c")} {
		if err := Rename(from, to); err != nil {
			t.Fatal(err)
		}
		holds(t, to, "x", 0o600)
		if _, err := os.Lstat(from); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", from, err)
		}
		from = to
	}
	if err := Rename(filepath.Join(dir, "missing"), filepath.Join(dir, "d")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	// A file system that cannot flush a directory says EINVAL, and is believed.
	if err := SyncDir("/proc"); err != nil {
		t.Errorf("/proc: %v", err)
	}
	if err := SyncDir(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
