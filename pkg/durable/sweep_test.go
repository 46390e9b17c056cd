package durable

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for name, then := range map[string]time.Time{
		TempPrefix + "old": old, TempPrefix + "new": time.Now(), "regctl.yaml": old, "x" + TempPrefix: old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, TempPrefix+"dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	removed, err := Sweep(time.Now(), filepath.Join(dir, "missing"), dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, TempPrefix+"old")}; !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 4 {
		t.Errorf("left: %v %v", left, err)
	}
}
