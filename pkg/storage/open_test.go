package storage

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Without openat2 every component is opened by itself; what comes out is the
// same.
func TestOpenByComponents(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "a/b/f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"a/l": "b", "a/b/lf": "f"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := openDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for rel, want := range map[string]bool{
		"a": true, "a/b": true, "a/b/f": true, "a/l": false, "a/l/f": false, "a/b/lf": false, "a/none": false, "a/b/f/x": false,
	} {
		for _, open := range []func(int, string, int) (int, error){openat, openComponents} {
			fd, err := open(d.fd, rel, unix.O_RDONLY)
			if (err == nil) != want {
				t.Errorf("%s: %v", rel, err)
			}
			if err == nil {
				unix.Close(fd)
			}
		}
	}
}
