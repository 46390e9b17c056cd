package gc

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
)

// ErrNothingToUndo says that no collection lies in the trash.
var ErrNothingToUndo = errors.New("there is no collection to undo")

// Undo puts back everything that the last collection took: the same files, with
// their times, modes and owners. After it the one before is the last. What was
// written since stays as it is. While another process works on the storage the
// error is a [*lock.HeldError]. With o.DryRun it only tells what would come back.
func Undo(ctx context.Context, dir string, o Options) (_ *Restored, err error) {
	if o.DryRun {
		return wouldUndo(dir)
	}
	t, done, err := openLocked(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	run, err := t.last()
	if err != nil {
		return nil, err
	}
	out, err := t.putBack(ctx, run, PhaseUndo, o.tell)
	if err != nil {
		return nil, err
	}
	out.Problems = append(out.Problems, t.problems...)
	return out, nil
}

func wouldUndo(dir string) (*Restored, error) {
	store, err := storage.Open(dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	t, err := openTrash(store, nil)
	if err != nil {
		return nil, err
	}
	run, err := t.last()
	if err != nil {
		return nil, err
	}
	return &Restored{Run: run.name, Items: run.Items, Bytes: run.Bytes, Problems: append([]Problem{}, t.problems...)}, nil
}

// last is the run that can be undone: neither one that was killed, which the next
// one takes back, nor one that was undone already.
func (t *trash) last() (*trashRun, error) {
	for _, run := range slices.Backward(t.runs) {
		if run.done && !run.undone {
			return run, nil
		}
	}
	return nil, advice.With(ErrNothingToUndo, "a collection can be undone until its trash is purged")
}

// PhaseUndo is the only phase of [Undo]; items.
const PhaseUndo Phase = "undo"

func (o Options) tell(p Progress) {
	if o.Progress != nil {
		o.Progress(p)
	}
}

// Recover finishes what a killed run left, as every other call here does that
// changes something. It is for who looks at the storage before that: what the run
// took is not there until then, and is there again after it. While another process
// works on the storage the error is a [*lock.HeldError].
func Recover(ctx context.Context, dir string, o Options) error {
	_, done, err := openLocked(ctx, dir, o)
	if err != nil {
		return err
	}
	return done()
}

// openLocked takes the storage's lock and finishes what a killed run left.
func openLocked(ctx context.Context, dir string, o Options) (*trash, func() error, error) {
	store, err := storage.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	l, err := take(ctx, store, o.Command)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	done := func() error { return errors.Join(l.Release(), store.Close()) }
	t, err := openTrash(store, o.step)
	if err == nil {
		err = t.recover(ctx, o.tell)
	}
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return t, done, nil
}

// Purged is what [Purge] did, or would do.
type Purged struct {
	DryRun bool  `json:"dry_run" doc:"nothing was changed"`
	Runs   int   `json:"runs" doc:"collections whose trash went"`
	Bytes  int64 `json:"bytes" doc:"bytes of blobs that were freed"`
	// Left are those that stay.
	LeftRuns  int       `json:"runs_left" doc:"collections that can still be undone"`
	LeftBytes int64     `json:"bytes_left" doc:"bytes of their blobs"`
	Problems  []Problem `json:"problems" doc:"what a person should know of"`
}

// Purge frees the trash of collections older than o.KeepTrash, all of it if that
// is 0. It looks at the whole storage first, and puts back what is needed after
// all: nothing that is needed is ever purged.
func Purge(ctx context.Context, dir string, o Options) (*Purged, error) {
	o.Tags, o.Repositories = nil, nil
	r, err := Begin(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := &Purged{DryRun: o.DryRun}
	if o.DryRun {
		for _, run := range r.trash.old(r.now, o.KeepTrash) {
			out.Runs++
			out.Bytes += run.Bytes
		}
	} else if out.Runs, out.Bytes, err = r.trash.purge(r.now, o.KeepTrash, r.progress); err != nil {
		return nil, err
	}
	for _, run := range r.trash.runs {
		out.LeftRuns++
		out.LeftBytes += run.Bytes
	}
	if o.DryRun {
		out.LeftRuns -= out.Runs
		out.LeftBytes -= out.Bytes
	}
	out.Problems = append([]Problem{}, r.trash.problems...)
	return out, nil
}

// Trash is what one collection took and can be undone.
type Trash struct {
	Run    string    `json:"run" doc:"the collection's name"`
	At     time.Time `json:"at" doc:"when it began"`
	Items  int       `json:"items" doc:"what it took: blobs, links, tags"`
	Bytes  int64     `json:"bytes" doc:"bytes of its blobs: what purging it frees"`
	Killed bool      `json:"killed" doc:"it did not come to its end; the next run puts back what it took"`
}

// List tells what lies in the trash, the oldest first. It changes nothing and
// needs no lock.
func List(dir string) ([]Trash, error) {
	store, err := storage.Open(dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	t, err := openTrash(store, nil)
	if err != nil {
		return nil, err
	}
	out := make([]Trash, 0, len(t.runs))
	for _, run := range t.runs {
		out = append(out, Trash{run.name, run.began, run.Items, run.Bytes, !run.done})
	}
	return out, nil
}
