package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whose objects cannot be put in their places is told: a renewal of a lock, which
// tells nobody, leaves that error alone.
func TestARenewalSwallowsNoError(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	_, l, err := s.Locked(t.Context(), false, "regctl backup")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	_, err = s.Create(t.Context(), src, Options{step: func(what string) error {
		if what != "flush blobs" {
			return nil
		}
		lost, err := filepath.Glob(filepath.Join(dst, tempDir, "*"))
		if err != nil || len(lost) == 0 {
			return fmt.Errorf("nothing is pending: %v", err)
		}
		for _, path := range lost {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		_ = l.write(t.Context()) // as a renewal does
		return nil
	}})
	if !errors.Is(err, fs.ErrNotExist) || len(snapshots(t, s)) != 0 {
		t.Errorf("a backup that lost its blobs: %v", err)
	}
}

// What a file system could not write it tells once: all who flush later hear of it.
func TestAFlushThatFailedOnce(t *testing.T) {
	d, err := OpenDir(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.together = true
	n := 0
	flush := func() error { // so many that they are flushed together
		for range fewObjects + 1 {
			n++
			if err := d.Put(t.Context(), fmt.Sprint(dataDir, n), 1, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
		}
		return d.Flush(t.Context())
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	good := d.top
	if d.top, err = os.Open(d.path); err != nil {
		t.Fatal(err)
	}
	d.top.Close()
	if err := flush(); err == nil {
		t.Fatal("it flushed what is closed")
	}
	d.top = good
	if err := flush(); err == nil {
		t.Error("the second who asked was not told")
	}
}
