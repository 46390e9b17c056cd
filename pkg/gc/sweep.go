package gc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// thought is for how long a plan is new.
const thought = 10 * time.Second

// Sweep frees old trash and takes away what was planned. If it fails or is
// interrupted, what was taken is put back.
func (r *Run) Sweep(ctx context.Context) error {
	if r.opts.DryRun {
		return nil
	}
	if _, bytes, err := r.trash.purge(r.now, r.opts.KeepTrash, r.progress); err != nil {
		return err
	} else {
		r.result.Purged += bytes
	}
	n := r.remaining()
	if n == 0 {
		r.account()
		return nil
	}
	if err := r.prepareTrash(n); err != nil {
		return err
	}
	if err := r.sweepHeld(ctx, n); err != nil {
		if errors.Is(err, errKilled) {
			return err
		}
		return errors.Join(err, r.takeBack())
	}
	if err := r.sweepLate(ctx, n); err != nil {
		if errors.Is(err, errKilled) {
			return err
		}
		return errors.Join(err, r.takeBack())
	}
	if err := r.verify(); err != nil {
		if errors.Is(err, errKilled) {
			return err
		}
		return errors.Join(err, r.takeBack())
	}
	return r.finish()
}

// errKilled is what a test's step returns to end a run where it is.
var errKilled = errors.New("killed")

func (r *Run) remaining() (n int) {
	for _, list := range r.items {
		for i := range list {
			if list[i].state == planned {
				n++
			}
		}
	}
	return n
}

// sweepHeld holds writes, looks again and moves.
func (r *Run) sweepHeld(ctx context.Context, n int) (err error) {
	if err := r.trash.change("hold", ""); err != nil {
		return err
	}
	// What changed while a person thought about the plan is looked at before.
	if time.Since(r.marked) > thought {
		if err := r.recheck(); err != nil {
			return err
		}
	}
	if r.opts.Hold != nil {
		began := time.Now()
		release, err := r.opts.Hold(ctx)
		if err != nil {
			return err
		}
		defer func() {
			released := release()
			r.result.hold = time.Since(began)
			if err == nil {
				err = released
			}
		}()
	}
	if err := r.recheck(); err != nil {
		return err
	}
	s := &sweeper{Run: r, ctx: ctx, total: int64(n), last: time.Now(), emptied: r.emptied()}
	before, err := r.layerStates()
	if err != nil {
		return err
	}
	if err := s.sweep(kindBlob, false); err != nil {
		return err
	}
	// An upload or a mount that found a blob just before it went has left a link.
	after, err := r.layerStates()
	if err != nil {
		return err
	}
	if err := r.recheckMounts(before, after); err != nil {
		return err
	}
	for _, k := range order[1:] {
		if err := s.sweep(k, false); err != nil {
			return err
		}
	}
	return errors.Join(r.rescues.errs...)
}

// sweepLate moves what no manifest can need any more, so that nobody waits for
// it: links to blobs that went. (Whoever brings such a blob again writes the link
// again, which then stays.)
func (r *Run) sweepLate(ctx context.Context, n int) error {
	s := &sweeper{Run: r, ctx: ctx, total: int64(n), last: time.Now(), emptied: r.emptied()}
	for _, k := range order {
		if err := s.sweep(k, true); err != nil {
			return err
		}
	}
	return errors.Join(r.rescues.errs...)
}

// emptied are the repositories of which a directory goes whole: what is in it
// has to go before.
func (r *Run) emptied() map[int32]bool {
	out := map[int32]bool{}
	for i := range r.items[kindRepository] {
		out[r.items[kindRepository][i].repo] = true
	}
	return out
}

// layerStates are the states of all repositories' _layers.
func (r *Run) layerStates() ([][2]storage.State, error) {
	out := make([][2]storage.State, len(r.repos))
	return out, storage.Each(r.workers, len(r.repos), func(i int) error {
		if r.repos[i].remove {
			return nil
		}
		repo, err := r.store.Repository(r.repos[i].name, nil)
		if err != nil {
			return ignoreGone(err)
		}
		defer repo.Close()
		states, err := repo.States()
		out[i] = states.Layers
		return err
	})
}

func (r *Run) recheckMounts(before, after [][2]storage.State) error {
	return storage.Each(r.workers, len(r.repos), func(i int) error {
		if before[i] == after[i] && max(before[i][0].Modified(), before[i][1].Modified()) < r.coarseNow().Add(-coarse).UnixNano() || r.repos[i].remove {
			return nil
		}
		repo, err := r.store.Repository(r.repos[i].name, nil)
		if err != nil {
			return ignoreGone(err)
		}
		defer repo.Close()
		return r.recheckLayers(int32(i), repo)
	})
}

// takeBack undoes a sweep that failed. If that fails too, the next run does it.
func (r *Run) takeBack() error {
	if _, err := r.trash.putBack(context.Background(), &trashRun{name: r.name}, PhaseSweep, r.progress); err != nil {
		return fmt.Errorf("putting back what was taken: %w", err)
	}
	for k := range r.items {
		for i := range r.items[k] {
			r.items[k][i].state = dropped
		}
	}
	r.account()
	return nil
}
