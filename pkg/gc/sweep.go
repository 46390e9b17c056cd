package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
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
	strange := ""
	err := m.List(dir, name, func(entry string, typ fs.FileMode) {
		switch {
		case typ.IsRegular() && (entry == it.file() || storage.Temporary(entry)):
		case it.kind == kindRevision && entry == "signatures" && typ.IsDir():
		default:
			strange = entry
		}
	})
	if gone(err) {
		it.become(dropped)
		return nil
	}
	if err != nil || strange == "" {
		return err
	}
	r.mu.Lock()
	r.result.Problems = append(r.result.Problems, Problem{storage.Problem{ID: storage.UnknownEntry, Repository: r.repoName(it),
		Digest: it.digest, Path: where + "/" + strange, Message: "no registry makes this; left alone, and what it lies with stays"}, false})
	r.mu.Unlock()
	r.rescue(func() { r.keepAgain(it) })
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

// late tells what [Run.sweepLate] moves.
func (s *sweeper) late(it *item) bool {
	switch it.kind {
	case kindHistory, kindUpload:
		return !s.emptied[it.repo]
	case kindLayer:
		d := it.digest
		if target, ok := s.repos[it.repo].aliases[d]; ok {
			d = target
		}
		return !s.emptied[it.repo] && s.took(kindBlob, 0, d)
	}
	return false
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
	ctx     context.Context
	total   int64
	emptied map[int32]bool

	mu    sync.Mutex // of what follows
	done  int64
	bytes int64
	last  time.Time
}

// movers is how many goroutines move. The kernel moves one at a time; what lies
// between two moves is what they share.
const movers = 2

// sweep moves what is left of a kind.
func (s *sweeper) sweep(k kind, late bool) error {
	list := s.items[k]
	const part = 64
	return storage.Each(movers, (len(list)+part*movers-1)/(part*movers), func(p int) error {
		m, looker := storage.NewMover(s.store), storage.NewMover(s.store)
		defer m.Close()
		defer looker.Close()
		from, to := p*part*movers, min(len(list), (p+1)*part*movers)
		done, bytes := int64(0), int64(0)
		for i := from; i < to; i++ {
			if i%part == 0 {
				if err := s.alive(done, bytes); err != nil {
					return err
				}
				done, bytes = 0, 0
			}
			it := &list[i]
			if !it.is(planned) || s.late(it) != late {
				continue
			}
			if err := s.move(m, looker, it); err != nil {
				return err
			}
			done++
			bytes += it.size
		}
		return s.alive(done, bytes)
	})
}

// alive counts, and ends the sweep if it may no longer go on.
func (s *sweeper) alive(done, bytes int64) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) > stall {
		return errStalled
	}
	s.last = time.Now()
	s.done += done
	s.bytes += bytes
	s.progress(Progress{Phase: PhaseSweep, Done: s.done, Total: s.total, Bytes: s.bytes})
	return nil
}

// move moves one thing, unless it was written again in the last instant.
func (s *sweeper) move(m, looker *storage.Mover, it *item) error {
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
	err = m.Move(where, trashPath(s.name, it.number))
	if gone(err) {
		it.become(dropped)
		return nil
	}
	if err != nil {
		return err
	}
	it.become(moved)
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
