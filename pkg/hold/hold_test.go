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
	if _, err := Take(root, "another"); !errors.Is(err, ErrHeld) {
		t.Errorf("a second hold: %v", err)
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
	if _, err := Take(root, "another"); !errors.Is(err, ErrHeld) {
		t.Errorf("after a second release of the one before: %v", err)
	}
	if err := next.Release(); err != nil {
		t.Fatal(err)
	}
}

// A hold whose owner died is taken over, and only after it is over for Nginx too.
func TestTakeOver(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		want error
	}{{MaxAge - 5*time.Second, ErrHeld}, {MaxAge + time.Second, nil}} {
		root := t.TempDir()
		path := filepath.Join(root, Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("dead\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-c.age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		h, err := Take(root, "gc")
		if !errors.Is(err, c.want) {
			t.Errorf("a hold %s old: %v, want %v", c.age, err, c.want)
		}
		if h != nil {
			if fi, err := os.Stat(path); err != nil || time.Since(fi.ModTime()) > 10*time.Second {
				t.Errorf("taken over, but not renewed: %v %v", fi, err)
			}
			if err := h.Release(); err != nil {
				t.Error(err)
			}
		}
	}
}
