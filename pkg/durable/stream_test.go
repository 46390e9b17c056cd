package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestStream(t *testing.T) {
	dir := t.TempDir()
	path, tmp := filepath.Join(dir, "large"), filepath.Join(dir, TempPrefix+"large")
	names := func(want ...string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(want) {
			t.Fatalf("%v, %v, want %q", entries, err, want)
		}
		for i, e := range entries {
			if e.Name() != want[i] {
				t.Errorf("%s, want %s", e.Name(), want[i])
			}
		}
	}
	// One that fails half-way leaves nothing, also of a run that was killed, and does
	// not write through a link that lies in its way.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, tmp); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if _, err := Stream(path, 0o640, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	names()
	if _, err := os.Lstat(victim); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wrote through a link: %v", err)
	}
	size, err := Stream(path, 0o640, func(w io.Writer) error {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there before it is whole: %v", err)
		}
		_, err := io.WriteString(w, "whole")
		return err
	})
	data, readErr := os.ReadFile(path)
	fi, statErr := os.Stat(path)
	if err != nil || size != 5 || string(data) != "whole" || readErr != nil || statErr != nil || fi.Mode() != 0o640 {
		t.Errorf("%d, %v, %q, %v, %v, %v", size, err, data, readErr, fi, statErr)
	}
	names("large")
	var about *fs.PathError
	if _, err := Stream(path, 0o640, nil); !errors.Is(err, fs.ErrExist) || !errors.As(err, &about) || about.Path != path {
		t.Errorf("over one that exists: %v", err)
	}
	if _, err := Stream(filepath.Join(dir, "no/such"), 0o640, nil); !errors.As(err, &about) || about.Path != filepath.Join(dir, "no/such") {
		t.Errorf("in no directory: %v", err)
	}
}
