package gc

import (
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

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
	if err := t.removeAll(trashDir + "/" + name); err != nil {
		t.problems = append(t.problems, Problem{storage.Problem{ID: TrashNotFreed, Path: trashDir + "/" + name,
			Message: "this trash cannot be deleted: " + err.Error()}, true})
	}
}

// TrashNotFreed is the ID of a problem: some of a purged run's trash still takes
// room.
const TrashNotFreed = "trash-not-freed"

// removeAll removes a directory; what is in it on several goroutines, since a
// file system frees in one directory at a time. As much goes as can.
func (t *trash) removeAll(rel string) error {
	entries, err := t.store.List(rel)
	if err == nil {
		storage.Each(2*runtime.GOMAXPROCS(0), len(entries), func(i int) error {
			os.RemoveAll(t.store.Path(rel + "/" + entries[i].Name))
			return nil
		})
	}
	return os.RemoveAll(t.store.Path(rel)) // which says of what is left why it cannot
}

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
