package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestWriteFile(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o755} {
			t.Run(fmt.Sprintf("umask %03o, mode %03o", umask, mode), func(t *testing.T) {
				defer syscall.Umask(syscall.Umask(umask))
				dir := t.TempDir()
				path := filepath.Join(dir, "f")
				for _, data := range []string{"first, a long one", "second", ""} {
					if err := WriteFile(path, []byte(data), mode); err != nil {
						t.Fatal(err)
					}
					holds(t, path, data, mode)
				}
				noTemp(t, dir)
			})
		}
	}
}

func holds(t *testing.T, path, want string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != want {
		t.Errorf("%s holds %q, want %q", path, data, want)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != mode {
		t.Errorf("%s is %v, want %v", path, fi.Mode(), mode)
	}
}

// Who reads meanwhile sees the old or the new file whole, never another.
func TestReadersSeeWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	contents := func(b byte) []byte { return bytes.Repeat([]byte{b}, 1<<20) }
	if err := WriteFile(path, contents('a'), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for reads := 0; ; reads++ {
			select {
			case <-stop:
				if reads < 3 {
					t.Errorf("only %d reads", reads)
				}
				return
			default:
			}
			data, err := os.ReadFile(path)
			if err != nil || len(data) != 1<<20 || data[0] != data[len(data)-1] {
				t.Errorf("read %d bytes, %v", len(data), err)
				return
			}
		}
	})
	for i := range 40 {
		if err := WriteFile(path, contents('a'+byte(i%26)), 0o600); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// A reader that looks at the time of a file alone has to see every change.
func TestEachWriteIsYounger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var last time.Time
	check := func() {
		t.Helper()
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !fi.ModTime().After(last) {
			t.Errorf("%v is not after %v", fi.ModTime(), last)
		}
		last = fi.ModTime()
	}
	for range 200 {
		if err := WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		check()
	}
	// A clock that was set back, or a file from a machine that was ahead.
	future := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	last = future
	for range 3 {
		if err := WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		check()
	}
}

// What fails leaves the old file and nothing else.
func TestFailedWrite(t *testing.T) {
	t.Run("no directory", func(t *testing.T) {
		if err := WriteFile(filepath.Join(t.TempDir(), "missing", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a directory of that name", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "d")
		if err := os.MkdirAll(filepath.Join(path, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("x"), 0o600); err == nil {
			t.Error("replaced a directory")
		}
		if _, err := os.Stat(filepath.Join(path, "below")); err != nil {
			t.Error(err)
		}
		noTemp(t, dir)
	})
	t.Run("not into a file", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(filepath.Join(file, "f"), nil, 0o600); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("error %v, want ENOTDIR", err)
		}
		holds(t, file, "x", 0o600)
	})
}

// Errors name the file that was to be written, not the temporary one.
func TestErrorsNameTheFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing", "f")
	taken := filepath.Join(t.TempDir(), "d")
	if err := os.MkdirAll(filepath.Join(taken, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	exists := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(exists, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		path string
		err  error
	}{
		"WriteFile, no directory":    {missing, WriteFile(missing, nil, 0o600)},
		"WriteFile over a directory": {taken, WriteFile(taken, nil, 0o600)},
		"CreateFile, no directory":   {missing, CreateFile(missing, nil, 0o600)},
		"CreateFile that exists":     {exists, CreateFile(exists, nil, 0o600)},
		"Symlink, no directory":      {missing, Symlink("x", missing)},
		"MkdirAll below a file":      {exists, MkdirAll(filepath.Join(exists, "below"), 0o755)},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.path) || strings.Contains(tt.err.Error(), TempPrefix) {
			t.Errorf("%s: %v, want one that names %s alone", what, tt.err, tt.path)
		}
	}
}

// Root at work in another user's directory must not be led astray by a link there.
func TestLinkIsReplacedNotFollowed(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "f")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, link, "ours", 0o600)
	holds(t, outside, "theirs", 0o644)
}

func TestCreateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := CreateFile(path, []byte("first"), 0o640); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "first", 0o640)
	if err := CreateFile(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want that it exists", err)
	}
	holds(t, path, "first", 0o640)
	for name, target := range map[string]string{"dangling": "nowhere", "to-file": "f"} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := CreateFile(link, []byte("third"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: error %v, want that it exists", name, err)
		}
	}
	holds(t, path, "first", 0o640)
	noTemp(t, dir)
}

// Of many that create the same file one wins, and its contents stand.
func TestCreateFileOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	var wg sync.WaitGroup
	won := make(chan string, 20)
	for i := range 20 {
		wg.Go(func() {
			data := strings.Repeat(string(rune('a'+i)), 100)
			switch err := CreateFile(path, []byte(data), 0o600); {
			case err == nil:
				won <- data
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d of 20 created it", len(won))
	}
	holds(t, path, <-won, 0o600)
	noTemp(t, dir)
}

func TestOwnerFollows(t *testing.T) {
	dir := t.TempDir()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // only root can change an owner; for others all stays theirs
		uid, gid = 1234, 1235
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "f")
	for range 2 { // a new file gets its directory's owner, then keeps it
		if err := WriteFile(path, []byte("x"), 0o640); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		if int(st.Uid) != uid || int(st.Gid) != gid || fi.Mode() != 0o640 {
			t.Errorf("%d:%d %v, want %d:%d 0640", st.Uid, st.Gid, fi.Mode(), uid, gid)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(dir, 0, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}
