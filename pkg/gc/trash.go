package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		if strings.HasPrefix(e.Name, purgePrefix) || !e.Type.IsDir() {
			continue
		}
		if _, err := fmt.Sscanf(e.Name, "%d-", &run.number); err != nil {
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
	n := 1
	for _, run := range t.runs {
		n = max(n, run.number+1)
	}
	return fmt.Sprintf("%06d-%s", n, at.UTC().Format("20060102T150405Z"))
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

// Restored is what [Undo] did.
type Restored struct {
	Run      string    `json:"run" doc:"the name of the collection that was undone"`
	Items    int       `json:"items" doc:"what was put back: blobs, links, tags"`
	Blobs    int       `json:"blobs" doc:"blobs among them"`
	Bytes    int64     `json:"bytes" doc:"bytes of these blobs"`
	Problems []Problem `json:"problems" doc:"what could not be put back, since something else is in its place"`
}

// putBack moves everything that a run took back to where it was, in the opposite
// order. Something that came there meanwhile stays: a blob of that digest is the
// same, and a tag that was pushed again is newer. What cannot go back lies in the
// trash until it is purged.
func (t *trash) putBack(ctx context.Context, run *trashRun, phase Phase, progress func(Progress)) (*Restored, error) {
	type entry struct {
		repository string
		it         item
	}
	var all []entry
	_, whole, err := t.journal(run, func(repository string, it item) error {
		all = append(all, entry{repository, it})
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &Restored{Run: run.name, Problems: []Problem{}}
	left := 0
	if whole {
		m := storage.NewMover(t.store)
		defer m.Close()
		for i, e := range slices.Backward(all) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			from, to := trashPath(run.name, e.it.number), e.it.path(e.repository)
			switch err := t.restore(m, from, to); {
			case gone(err): // it was never taken, or is back
			case errors.Is(err, fs.ErrExist):
				left++
				if e.it.kind == kindTag || e.it.kind == kindRepository {
					out.Problems = append(out.Problems, Problem{storage.Problem{ID: PlaceTaken, Repository: e.repository, Path: to,
						Message: "is there again: the older one stays in the trash"}, false})
				}
			case err != nil:
				return nil, err
			default:
				out.Items++
				if e.it.kind == kindBlob {
					out.Blobs++
					out.Bytes += e.it.size
				}
			}
			if i%256 == 0 {
				progress(Progress{Phase: phase, Done: int64(len(all) - i), Total: int64(len(all)), Bytes: out.Bytes})
			}
		}
	}
	if out.Items > 0 {
		// Before the journal goes, what it tells of is where it was for good.
		if err := t.store.Sync(); err != nil {
			return nil, err
		}
	}
	if left == 0 {
		return out, t.remove(run)
	}
	run.undone = true
	for _, name := range []string{undoneName, doneName} {
		if err := t.write(run.name, name, doneRecord{Items: left}); err != nil {
			return nil, err
		}
	}
	run.done = true
	return out, nil
}

// PlaceTaken is the ID of a problem: something is where an item was.
const PlaceTaken = "place-taken"

// restore moves one thing back, merging directories. fs.ErrExist says that some
// of it is still in the trash.
func (t *trash) restore(m *storage.Mover, from, to string) error {
	if _, err := t.store.Lstat(from); err != nil {
		return err
	}
	if err := t.change("put back", to); err != nil {
		return err
	}
	err := m.Move(from, to)
	if gone(err) {
		if err := t.mkdirAll(filepath.ToSlash(filepath.Dir(to))); err != nil {
			return err
		}
		err = m.Move(from, to)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, listErr := t.store.List(from)
	if listErr != nil {
		return err // a file, and one is there
	}
	if _, listErr := t.store.List(to); listErr != nil {
		return err
	}
	var left error
	for _, e := range entries {
		switch sub := t.restore(m, from+"/"+e.Name, to+"/"+e.Name); {
		case sub == nil, gone(sub):
		case errors.Is(sub, fs.ErrExist):
			left = sub
		default:
			return sub
		}
	}
	if left == nil {
		// What is merged is back: were its directory to stay, it would be so again.
		return os.Remove(t.store.Path(from))
	}
	return left
}

func (t *trash) change(what, path string) error {
	if t.step == nil {
		return nil
	}
	return t.step(what, path)
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

// remove removes a run's directory. It gets another name first, so that a run
// half removed is never taken for one that can be undone.
func (t *trash) remove(run *trashRun) error {
	if err := t.change("remove", run.name); err != nil {
		return err
	}
	from, to := trashDir+"/"+run.name, trashDir+"/"+purgePrefix+run.name
	if err := durable.Rename(t.store.Path(from), t.store.Path(to)); err != nil {
		return err
	}
	t.runs = slices.DeleteFunc(t.runs, func(r *trashRun) bool { return r == run })
	if err := t.change("removing", run.name); err != nil {
		return err
	}
	t.free(purgePrefix + run.name)
	return nil
}

// free deletes what is being removed. What cannot be deleted (an immutable file, a
// bad block) is told of, and keeps nobody from collecting or undoing; each run tries
// again.
func (t *trash) free(name string) {
	if err := os.RemoveAll(t.store.Path(trashDir + "/" + name)); err != nil {
		t.problems = append(t.problems, Problem{storage.Problem{ID: TrashNotFreed, Path: trashDir + "/" + name,
			Message: "this trash cannot be deleted: " + err.Error()}, true})
	}
}

// TrashNotFreed is the ID of a problem: some of a purged run's trash still takes
// room.
const TrashNotFreed = "trash-not-freed"

// old are the runs that a purge removes.
func (t *trash) old(now time.Time, keep time.Duration) (out []*trashRun) {
	for _, run := range t.runs {
		if run.done && (keep == 0 || run.began.Before(now.Add(-keep))) {
			out = append(out, run)
		}
	}
	return out
}

// purge removes the runs that are older than keep, all if that is 0.
func (t *trash) purge(now time.Time, keep time.Duration, progress func(Progress)) (runs int, bytes int64, err error) {
	old := t.old(now, keep)
	for i, run := range old {
		if err := t.remove(run); err != nil {
			return runs, bytes, err
		}
		runs++
		bytes += run.Bytes
		progress(Progress{Phase: PhasePurge, Done: int64(i + 1), Total: int64(len(old)), Bytes: bytes})
	}
	return runs, bytes, nil
}
