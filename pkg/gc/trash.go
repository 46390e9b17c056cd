package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

const (
	trashDir = storage.StateDir + "/trash"
	// doneName says that a run came to its end: what lies beside it is trash. Without
	// it the run was killed, and what it took is put back.
	doneName = "done"
	// undoneName says that a run was undone; what is still there had no place any
	// more to go back to.
	undoneName = "undone"
	// purgePrefix begins the name of a run's directory that is being removed.
	purgePrefix = "purge-"
)

// trash is what runs took.
type trash struct {
	store    *storage.Store
	step     func(what, path string) error
	runs     []*trashRun // the oldest first
	highest  int         // the highest number, also of runs that are being removed or cannot be read
	links    map[kind]map[string]map[storage.Digest]inTrash
	problems []Problem
}

// trashRun is what one run took.
type trashRun struct {
	name   string
	number int // counts up, whatever the clock does
	began  time.Time
	done   bool
	undone bool
	doneRecord
}

// doneRecord is in the file that says that a run came to its end.
type doneRecord struct {
	Items int   `json:"items"`
	Bytes int64 `json:"bytes"`
}

func openTrash(s *storage.Store, step func(what, path string) error) (*trash, error) {
	t := &trash{store: s, step: step}
	entries, err := s.List(trashDir)
	if gone(err) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		run := &trashRun{name: e.Name}
		numbered, removed := strings.CutPrefix(e.Name, purgePrefix)
		if _, err := fmt.Sscanf(numbered, "%d-", &run.number); err != nil {
			continue
		}
		t.highest = max(t.highest, run.number)
		if removed || !e.Type.IsDir() {
			continue
		}
		if err := t.read(run); err != nil {
			t.problem(run, err)
			continue
		}
		t.runs = append(t.runs, run)
	}
	slices.SortFunc(t.runs, func(a, b *trashRun) int { return a.number - b.number })
	return t, nil
}

// read reads what is to be known of a run without its items.
func (t *trash) read(run *trashRun) error {
	var err error
	dir := trashDir + "/" + run.name
	if run.done, err = t.exists(dir + "/" + doneName); err != nil {
		return err
	}
	if run.undone, err = t.exists(dir + "/" + undoneName); err != nil {
		return err
	}
	if run.done {
		data, err := os.ReadFile(t.store.Path(dir + "/" + doneName))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &run.doneRecord); err != nil {
			return err
		}
	}
	stop := errors.New("enough")
	run.began, _, err = t.journal(run, func(string, item) error { return stop })
	if errors.Is(err, stop) || !run.done {
		err = nil
	}
	return err
}

func (t *trash) exists(rel string) (bool, error) {
	_, err := t.store.Lstat(rel)
	if gone(err) {
		return false, nil
	}
	return err == nil, err
}

func (t *trash) problem(run *trashRun, err error) {
	t.problems = append(t.problems, Problem{storage.Problem{ID: TrashUnreadable, Path: trashDir + "/" + run.name,
		Message: "this trash is left alone: " + err.Error()}, true})
}

// TrashUnreadable is the ID of a problem: what a run took cannot be understood.
const TrashUnreadable = "trash-unreadable"

// journal calls visit for the items of a run.
func (t *trash) journal(run *trashRun, visit func(repository string, it item) error) (began time.Time, whole bool, err error) {
	f, err := os.Open(t.store.Path(trashDir + "/" + run.name + "/" + journalName))
	if gone(err) {
		return began, false, nil
	}
	if err != nil {
		return began, false, err
	}
	defer f.Close()
	return readJournal(f, visit)
}

// next is the name of the next run's directory.
func (t *trash) next(at time.Time) string {
	return fmt.Sprintf("%06d-%s", t.highest+1, at.UTC().Format("20060102T150405Z"))
}

// recover finishes what a killed run or removal left: a run that did not come to
// its end is undone, which is always safe, and a removal goes on.
func (t *trash) recover(ctx context.Context, progress func(Progress)) error {
	entries, err := t.store.List(trashDir)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, purgePrefix) {
			t.free(e.Name)
		}
	}
	for _, run := range slices.Clone(t.runs) {
		if run.done {
			continue
		}
		if _, err := t.putBack(ctx, run, PhaseRecover, progress); err != nil {
			if errors.Is(err, errJournal) {
				t.problem(run, err)
				t.runs = slices.DeleteFunc(t.runs, func(r *trashRun) bool { return r == run })
				continue
			}
			return err
		}
	}
	return nil
}

func (t *trash) change(what, path string) error {
	if t.step == nil {
		return nil
	}
	return t.step(what, path)
}

func (t *trash) write(run, name string, record doneRecord) error {
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	if err := t.change(name, run); err != nil {
		return err
	}
	return durable.WriteFile(t.store.Path(trashDir+"/"+run+"/"+name), append(data, '\n'), 0o600)
}

// mkdirAll makes a directory below the root, refusing to pass a symbolic link.
func (t *trash) mkdirAll(rel string) error {
	at := ""
	for name := range strings.SplitSeq(rel, "/") {
		at = strings.TrimPrefix(at+"/"+name, "/")
		info, err := t.store.Lstat(at)
		if gone(err) {
			break
		}
		if err != nil {
			return err
		}
		if !info.Mode.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: t.store.Path(at), Err: errors.New("is not a directory")}
		}
	}
	return durable.MkdirAll(t.store.Path(rel), 0o755)
}
