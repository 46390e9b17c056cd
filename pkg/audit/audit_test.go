package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var at = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func newLog(t *testing.T, most int64) Log {
	return Log{Path: filepath.Join(t.TempDir(), "audit.log"), Most: most}
}

func read(t *testing.T, l Log, since time.Time) ([]Entry, int) {
	t.Helper()
	entries, damaged, err := l.Read(since)
	if err != nil {
		t.Fatal(err)
	}
	return entries, damaged
}

func TestAppendAndRead(t *testing.T) {
	l := newLog(t, 0)
	if entries, _ := read(t, l, time.Time{}); len(entries) != 0 {
		t.Errorf("%v", entries)
	}
	for i := range 3 {
		e := Entry{Time: at.Add(time.Duration(i) * time.Hour), Command: "user add", Args: []string{fmt.Sprint("a\nb", i)}, Status: i}
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	entries, damaged := read(t, l, at.Add(time.Hour))
	if len(entries) != 2 || damaged != 0 || entries[0].Status != 1 || entries[1].Args[0] != "a\nb2" {
		t.Errorf("%+v, %d damaged", entries, damaged)
	}
	fi, err := os.Stat(l.Path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
}

// A line that was cut off costs that line, and not the next.
func TestCutOff(t *testing.T) {
	l := newLog(t, 0)
	for range 2 {
		if err := l.Append(Entry{Time: at, Command: "up"}); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(l.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(l.Path, fi.Size()-10); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(Entry{Time: at, Command: "down"}); err != nil {
		t.Fatal(err)
	}
	entries, damaged := read(t, l, time.Time{})
	if len(entries) != 1 || entries[0].Command != "down" || damaged != 2 {
		t.Errorf("%+v, %d damaged", entries, damaged)
	}
}

// Many writers at once lose nothing, also while files are begun anew.
func TestManyWriters(t *testing.T) {
	l := newLog(t, 8<<10)
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := l.Append(Entry{Time: at, Command: fmt.Sprintf("%d/%d", w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	entries, damaged := read(t, l, time.Time{})
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.Command] {
			t.Errorf("twice: %s", e.Command)
		}
		seen[e.Command] = true
	}
	if len(entries) != writers*each || damaged != 0 {
		t.Errorf("%d entries, %d damaged", len(entries), damaged)
	}
	if _, err := os.Stat(l.Path + ".1"); err != nil {
		t.Errorf("it was never begun anew: %v", err)
	}
}

// It does not grow for ever, and keeps the newest.
func TestRotation(t *testing.T) {
	l := newLog(t, 1000)
	for i := range 200 {
		if err := l.Append(Entry{Time: at, Status: i}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(l.Path + "*")
	if err != nil || len(files) != older+1 {
		t.Errorf("%v %v", files, err)
	}
	for _, f := range files {
		if fi, err := os.Stat(f); err != nil || fi.Size() > 1400 || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, fi, err)
		}
	}
	entries, _ := read(t, l, time.Time{})
	for i, e := range entries {
		if e.Status != 200-len(entries)+i {
			t.Fatalf("entry %d has status %d", i, e.Status)
		}
	}
}

// What is in the way is not written through.
func TestNotALog(t *testing.T) {
	l := newLog(t, 0)
	target := filepath.Join(filepath.Dir(l.Path), "target")
	if err := os.WriteFile(target, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, l.Path); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(Entry{Time: at}); err == nil || !strings.Contains(err.Error(), "audit.log") {
		t.Errorf("%v", err)
	}
	if data, _ := os.ReadFile(target); string(data) != "x" {
		t.Errorf("%q", data)
	}
	if err := (Log{Path: filepath.Join(t.TempDir(), "no", "audit.log")}).Append(Entry{Time: at}); err == nil {
		t.Error("the directory was made")
	}
}
