package gc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/regctl/regctl/pkg/storage"
)

func isExist(err error) bool { return errors.Is(err, fs.ErrExist) }

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
