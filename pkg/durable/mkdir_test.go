package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestMkdirAllModes(t *testing.T) {
	// The umask belongs to the whole process: tests here do not run in parallel.
	defer syscall.Umask(syscall.Umask(0o077))
	for _, mode := range []fs.FileMode{0o700, 0o750, 0o755} {
		root := t.TempDir()
		if err := MkdirAll(filepath.Join(root, "a", "b"), mode); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"a", "a/b"} {
			fi, err := os.Stat(filepath.Join(root, p))
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode() != fs.ModeDir|mode {
				t.Errorf("%s: mode %v, want %v", p, fi.Mode(), fs.ModeDir|mode)
			}
		}
		noTemp(t, root)
	}
}

func TestMkdirAllLeavesWhatExists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("an existing directory was changed: %v, was %v", after.Mode(), before.Mode())
	}
}

func TestMkdirAllKeepsSetgid(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o755|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(root, "a"), 0o750); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(root, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeDir | fs.ModeSetgid | 0o750; fi.Mode() != want {
		t.Errorf("mode %v, want %v", fi.Mode(), want)
	}
}

func TestMkdirEach(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	root := t.TempDir()
	if err := os.Chmod(root, 0o755|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "b"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := MkdirEach(root, []string{"a", "b", "c"}, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"a": fs.ModeDir | fs.ModeSetgid | 0o750, "b": fs.ModeDir | fs.ModeSetgid | 0o700, "c": fs.ModeDir | fs.ModeSetgid | 0o750} {
		fi, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, fi.Mode(), want)
		}
	}
	noTemp(t, root)
	if err := MkdirEach(filepath.Join(root, "none"), []string{"a"}, 0o750); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestMkdirAllRefuses(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{file, filepath.Join(file, "below"), link} {
		if err := MkdirAll(p, 0o755); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("MkdirAll(%s) = %v, want ENOTDIR", p, err)
		}
	}
	noTemp(t, root)
}

func TestMkdirAllFollowsOwner(t *testing.T) {
	root := t.TempDir()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 1234, 1235
		if err := os.Chown(root, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := MkdirAll(filepath.Join(root, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"a", "a/b"} {
		fi, err := os.Stat(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", p, st.Uid, st.Gid, uid, gid)
		}
	}
}

// Many at once must all succeed, and nobody's files may vanish under another's
// rename.
func TestMkdirAllConcurrent(t *testing.T) {
	for range 50 {
		root := t.TempDir()
		var wg, made sync.WaitGroup
		made.Add(8)
		for i := range 8 {
			wg.Go(func() {
				dir := filepath.Join(root, "a", "b")
				err := MkdirAll(dir, 0o755)
				if errors.Is(err, fs.ErrNotExist) {
					err = MkdirAll(dir, 0o755) // the instant that its comment tells of
				}
				made.Done()
				made.Wait()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, string(rune('0'+i))), nil, 0o600); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		names, err := os.ReadDir(filepath.Join(root, "a", "b"))
		if err != nil || len(names) != 8 {
			t.Fatalf("%d files are left of 8 (%v)", len(names), err)
		}
		noTemp(t, root)
	}
}

func noTemp(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), TempPrefix) {
			t.Errorf("left behind: %s", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
