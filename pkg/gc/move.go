package gc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// stall is for how long this process may stand still during a sweep. If it was
// stopped for longer, the hold may have ended: then nothing more is taken.
const stall = 20 * time.Second

var errStalled = errors.New("the process stood still while it held writes back")

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
	return storage.Each(movers, (len(list)+shardSize-1)/shardSize, func(p int) error {
		m, looker := storage.NewMover(s.store), storage.NewMover(s.store)
		defer m.Close()
		defer looker.Close()
		from, to := p*shardSize, min(len(list), (p+1)*shardSize)
		done, bytes := int64(0), int64(0)
		for i := from; i < to; i++ {
			if i%(shardSize/2) == 0 {
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
	switch it.kind {
	case kindBlob, kindRevision, kindLayer, kindHistory:
		if err := s.checkContent(looker, it); err != nil || !it.is(planned) {
			return err
		}
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
		return rev == nil || !rev.is(planned) && !rev.is(moved), nil
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
