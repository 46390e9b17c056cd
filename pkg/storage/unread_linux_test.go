package storage

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Looking at a storage does not change the times of reading.
func TestReadingIsNotWrittenDown(t *testing.T) {
	root := t.TempDir()
	data := []byte(`{"schemaVersion":2,"layers":[]}`)
	digest := SHA256.Of(data)
	rel := BlobPath(digest)
	if err := os.MkdirAll(filepath.Join(root, rel), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, rel, "data"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	read, written := time.Now().Add(-72*time.Hour).Truncate(time.Second), time.Now().Add(-48*time.Hour)
	for _, name := range []string{rel, rel + "/data"} {
		if err := os.Chtimes(filepath.Join(root, name), read, written); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Manifest(digest); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(rel); err != nil {
		t.Fatal(err)
	}
	m := NewMover(s)
	defer m.Close()
	dir, name := split(rel)
	if err := m.List(dir, name, func(string, os.FileMode) {}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{rel, rel + "/data"} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, name), &st); err != nil {
			t.Fatal(err)
		}
		if at := time.Unix(st.Atim.Unix()); !at.Equal(read) {
			t.Errorf("%s was read at %s, want %s", name, at, read)
		}
	}
}

// Only the owner may leave the time of reading alone. Others read all the same.
func TestReadingWhatBelongsToOthers(t *testing.T) {
	root := filepath.Join(t.TempDir(), "d")
	if err := os.MkdirAll(filepath.Join(root, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "a", "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with this goroutine
		name := "a/f"
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		} else { // the root directory is root's
			if d, err = openDir("/"); err != nil {
				t.Error(err)
				return
			}
			name = "etc/passwd"
		}
		if _, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NOATIME, 0); err != unix.EPERM {
			t.Errorf("the time of reading can be left alone: %v", err)
		}
		for _, open := range []func(int, string, int) (int, error){openat, openComponents} {
			fd, err := open(d.fd, name, unix.O_RDONLY)
			if err != nil {
				t.Error(err)
				continue
			}
			unix.Close(fd)
		}
	}()
	<-done
}
