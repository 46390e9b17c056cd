package hold

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTakeAndRelease(t *testing.T) {
	root := t.TempDir()
	h, err := Take(root, "gc")
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(root, Path))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o644 {
		t.Errorf("mode %v: Nginx's workers have to see it", fi.Mode())
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, Path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	// Once more, as a deferred one does, it leaves the next one's hold alone.
	next, err := Take(root, "next")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		t.Errorf("a second release: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, Path)); err != nil {
		t.Errorf("after a second release of the one before: %v", err)
	}
	if err := next.Release(); err != nil {
		t.Fatal(err)
	}
}

// A hold whose owner died is taken over, whatever its age, and is as good as new.
func TestTakeOver(t *testing.T) {
	for _, age := range []time.Duration{time.Second, MaxAge - 5*time.Second, MaxAge + time.Second} {
		root := t.TempDir()
		path := filepath.Join(root, Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("dead\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		h, err := Take(root, "gc")
		if err != nil {
			t.Fatalf("a hold %s old: %v", age, err)
		}
		if fi, err := os.Stat(path); err != nil || began.Sub(fi.ModTime()) > 100*time.Millisecond {
			t.Errorf("taken over, but not renewed: %v %v", fi, err)
		}
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	}
}
