package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

func isExist(err error) bool { return errors.Is(err, fs.ErrExist) }

// stall is for how long this process may stand still during a sweep. If it was
// stopped for longer, the hold may have ended: then nothing more is taken.
const stall = 20 * time.Second

// thought is for how long a plan is new.
const thought = 10 * time.Second

var errStalled = errors.New("the process stood still while it held writes back")

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
	if err := r.checkContents(); err != nil {
		return err
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

// checkContents takes out of the plan the directories that hold something which
// is not known.
func (r *Run) checkContents() error {
	for _, k := range []kind{kindBlob, kindRevision, kindLayer, kindHistory} {
		list := r.items[k]
		const part = 256
		err := storage.Each(r.workers, (len(list)+part-1)/part, func(p int) error {
			m := storage.NewMover(r.store)
			defer m.Close()
			for i := p * part; i < min(len(list), (p+1)*part); i++ {
				if err := r.checkContent(m, &list[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) checkContent(m *storage.Mover, it *item) error {
	where := r.where(it)
	dir, name := splitPath(where)
	entries, err := m.List(dir, name)
	if gone(err) {
		it.become(dropped)
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type.IsRegular() && (e.Name == it.file() || storage.Temporary(e.Name)) {
			continue
		}
		if it.kind == kindRevision && e.Name == "signatures" && e.Type.IsDir() {
			continue
		}
		r.mu.Lock()
		r.result.Problems = append(r.result.Problems, Problem{storage.Problem{ID: storage.UnknownEntry, Repository: r.repoName(it),
			Digest: it.digest, Path: where + "/" + e.Name, Message: "no registry makes this; left alone, and what it lies with stays"}, false})
		r.mu.Unlock()
		r.rescue(func() { r.keepAgain(it) })
		break
	}
	return nil
}

// prepareTrash makes the directories and the journal.
func (r *Run) prepareTrash(n int) error {
	r.name = r.trash.next(r.began)
	dir := trashDir + "/" + r.name
	if err := r.trash.mkdirAll(storage.StateDir); err != nil {
		return err
	}
	if err := r.trash.change("trash", r.name); err != nil {
		return err
	}
	if err := durable.MkdirAll(r.abs(trashDir), 0o700); err != nil {
		return err
	}
	for shard := 0; shard*shardSize < n; shard++ {
		if err := durable.MkdirAll(r.abs(fmt.Sprintf("%s/%d", dir, shard)), 0o700); err != nil {
			return err
		}
	}
	if err := r.trash.change("journal", r.name); err != nil {
		return err
	}
	if err := r.writeJournal(dir); err != nil {
		return err
	}
	return durable.SyncDir(r.abs(dir))
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
	s := &sweeper{Run: r, ctx: ctx, m: storage.NewMover(r.store), total: int64(n), last: time.Now()}
	defer s.m.Close()
	before, err := r.layerStates()
	if err != nil {
		return err
	}
	if err := s.kind(kindBlob); err != nil {
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
		if err := s.kind(k); err != nil {
			return err
		}
	}
	return errors.Join(r.rescues.errs...)
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

// sweeper moves.
type sweeper struct {
	*Run
	ctx         context.Context
	m           *storage.Mover
	done, total int64
	bytes       int64
	last        time.Time
}

func (s *sweeper) kind(k kind) error {
	list := s.items[k]
	looker := storage.NewMover(s.store)
	defer looker.Close()
	for i := range list {
		if i%64 == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			if time.Since(s.last) > stall {
				return errStalled
			}
			s.last = time.Now()
			s.progress(Progress{Phase: PhaseSweep, Done: s.done, Total: s.total, Bytes: s.bytes})
		}
		it := &list[i]
		if !it.is(planned) {
			continue
		}
		if err := s.move(looker, it); err != nil {
			return err
		}
		s.done++
	}
	return nil
}

// move moves one thing, unless it was written again in the last instant.
func (s *sweeper) move(looker *storage.Mover, it *item) error {
	same, err := s.same(looker, it)
	if err != nil {
		return err
	}
	if !same {
		s.rescue(func() { s.keepAgain(it) })
		return nil
	}
	where := s.where(it)
	if used, err := s.inUse(it, where); err != nil || used {
		it.become(dropped)
		return err
	}
	if it.kind == kindRepository && !it.force {
		if empty, err := s.empty(where); err != nil || !empty {
			it.become(dropped)
			return err
		}
	}
	if err := s.trash.change("move", where); err != nil {
		return err
	}
	err = s.m.Move(where, trashPath(s.name, it.number))
	if gone(err) {
		it.become(dropped)
		return nil
	}
	if err != nil {
		return err
	}
	it.become(moved)
	s.bytes += it.size
	if it.kind == kindRepository && !it.force {
		// Something came there in the instant between.
		if empty, err := s.empty(trashPath(s.name, it.number)); err != nil || !empty {
			s.rescue(func() { s.keepItem(it) })
			return err
		}
	}
	return nil
}

// inUse tells of an upload that goes on, and of the history of what stays.
func (r *Run) inUse(it *item, where string) (bool, error) {
	switch it.kind {
	case kindHistory:
		rev := r.find(kindRevision, it.repo, it.digest)
		return rev == nil || !rev.is(planned), nil
	case kindUpload:
		entries, err := r.store.List(where)
		if err != nil {
			return gone(err), ignoreGone(err)
		}
		for _, e := range entries {
			info, err := r.store.Lstat(where + "/" + e.Name)
			if err != nil || r.young(info.ModTime) {
				return err == nil, ignoreGone(err)
			}
		}
	}
	return false, nil
}

// empty tells whether there are only directories below.
func (r *Run) empty(rel string) (bool, error) {
	entries, err := r.store.List(rel)
	if gone(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !e.Type.IsDir() {
			return false, nil
		}
		if empty, err := r.empty(rel + "/" + e.Name); err != nil || !empty {
			return false, err
		}
	}
	return true, nil
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
