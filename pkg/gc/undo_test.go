package gc

import (
	"errors"
	"path/filepath"
	"testing"
)

// What an undo would put back is what it does put back: nothing of a run that was
// killed, which the next one takes back, nor of one that was undone.
func TestUndoDryRun(t *testing.T) {
	dir := filepath.Join(memory(t), "d")
	_, o := randomly(dir, 5, false)
	dry := o
	dry.DryRun = true
	if out, err := Undo(t.Context(), dir, dry); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("before any: %+v, %v", out, err)
	}
	count, killed := 0, serial(o)
	killed.step = stopAt(6, errKilled, true, &count)
	if _, err := Collect(t.Context(), dir, killed); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if out, err := Undo(t.Context(), dir, dry); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("of one that was killed: %+v, %v", out, err)
	}
	if _, err := Collect(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	told, err := Undo(t.Context(), dir, dry)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "a dry run", snapshot(t, dir), before)
	done, err := Undo(t.Context(), dir, o)
	if err != nil || done.Items == 0 || told.Run != done.Run || told.Items != done.Items || told.Bytes != done.Bytes {
		t.Errorf("told %+v, did %+v, %v", told, done, err)
	}
	if out, err := Undo(t.Context(), dir, dry); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("after it: %+v, %v", out, err)
	}
}
