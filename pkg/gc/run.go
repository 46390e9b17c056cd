package gc

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/hold"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// Run is a collection under way: planned by [Begin], done by [Run.Sweep].
type Run struct {
	opts    Options
	store   *storage.Store
	lock    *lock.Lock
	clock   func() time.Time
	workers int
	began   time.Time
	// now is the earlier of this machine's clock and the file system's, so that
	// neither running ahead makes anything look old.
	now    time.Time
	cutoff time.Time // what is younger stays

	keepSet map[storage.Digest]bool
	doomed  map[string]map[string]TagRemoval // by repository and tag
	repos   []*repo
	used    *digestSet
	items   map[kind][]item
	trash   *trash // what earlier runs took, and where
	name    string // of this run's trash
	marked  time.Time
	skew    time.Duration // how far the file system's clock is behind
	rescues rescues

	mu     sync.Mutex // of what follows and of items' states, while several work
	result Result
}

// Begin takes the storage's lock, finishes what a killed run left, frees old
// trash, looks at everything and plans. Nothing is taken away yet. The Run must be
// closed. While another process works on the storage the error is a
// [*lock.HeldError].
func Begin(ctx context.Context, dir string, o Options) (_ *Run, err error) {
	store, err := storage.Open(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{opts: o, store: store, clock: o.Now, workers: o.Workers, items: map[kind][]item{}, used: &digestSet{}}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.clock == nil {
		r.clock = time.Now
	}
	if r.workers == 0 {
		// Most wait for the disk where it was not read before.
		r.workers = max(16, 2*runtime.GOMAXPROCS(0))
	}
	r.began = r.clock()
	r.result = Result{DryRun: o.DryRun, Problems: []Problem{}}
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	if err := r.mark(ctx); err != nil {
		return nil, err
	}
	if err := r.heal(); err != nil {
		return nil, err
	}
	r.marked = time.Now()
	r.count()
	return r, nil
}

// Collect is Begin, Sweep and Close.
func Collect(ctx context.Context, dir string, o Options) (*Result, error) {
	r, err := Begin(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = r.Sweep(ctx)
	return r.Result(), err
}

// Close gives the lock back.
func (r *Run) Close() error {
	err := r.store.Close()
	if r.lock != nil {
		err = errors.Join(err, r.lock.Release())
	}
	return err
}

// Result is what was planned, and after [Run.Sweep] what was done.
func (r *Run) Result() *Result {
	out := r.result
	out.duration = r.clock().Sub(r.began)
	out.DurationMS, out.HoldMS = out.duration.Milliseconds(), out.hold.Milliseconds()
	out.Problems = append(slices.Clone(r.trash.problems), r.result.Problems...)
	if out.Problems == nil {
		out.Problems = []Problem{}
	}
	return &out
}

// Store is the open storage.
func (r *Run) Store() *storage.Store { return r.store }

func (r *Run) progress(p Progress) {
	if r.opts.Progress != nil {
		r.opts.Progress(p)
	}
}

// prepare does what comes before the look.
func (r *Run) prepare(ctx context.Context) error {
	r.now = r.began
	if !r.opts.DryRun {
		var err error
		if r.lock, err = take(ctx, r.store, r.opts.Command); err != nil {
			return err
		}
		// The lock says who holds it: the file system has given that its time just now.
		held, err := r.store.Lstat(lockPath)
		if err != nil {
			return err
		}
		r.skew = max(0, time.Since(held.Changed)-time.Second)
		if r.opts.Now == nil && held.Changed.Before(r.now) {
			r.now = held.Changed
		}
	}
	r.cutoff = r.now.Add(-r.opts.Grace)
	var err error
	if r.trash, err = openTrash(r.store, r.opts.step); err != nil {
		return err
	}
	if !r.opts.DryRun {
		if err := r.trash.recover(ctx, r.progress); err != nil {
			return err
		}
		if err := r.trash.loadLinks(); err != nil {
			return err
		}
	}
	r.keepSet = map[storage.Digest]bool{}
	for _, d := range r.opts.Keep {
		r.keepSet[d] = true
	}
	r.doomed = map[string]map[string]TagRemoval{}
	for _, t := range r.opts.Tags {
		if r.doomed[t.Repository] == nil {
			r.doomed[t.Repository] = map[string]TagRemoval{}
		}
		r.doomed[t.Repository][t.Tag] = t
	}
	return nil
}

// take makes sure of regctl's own directory and takes the storage's lock. A hold
// that is there then is of a run that was killed.
func take(ctx context.Context, s *storage.Store, command string) (*lock.Lock, error) {
	if err := stateDir(s); err != nil {
		return nil, err
	}
	l, err := lock.Acquire(ctx, s.Path(lockPath), command, 0)
	if err != nil {
		return nil, err
	}
	if err := hold.Clear(s.Dir()); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

const lockPath = storage.StateDir + "/lock"

// stateDir makes .regctl, which a symbolic link must not be.
func stateDir(s *storage.Store) error {
	info, err := s.Lstat(storage.StateDir)
	if err == nil && !info.Mode.IsDir() {
		return &fs.PathError{Op: "open", Path: s.Path(storage.StateDir), Err: errors.New("is not a directory")}
	}
	if err != nil && !gone(err) {
		return err
	}
	return durable.MkdirAll(s.Path(storage.StateDir), 0o755)
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// coarseNow is a time that the file system has not reached yet, in spite of a
// clock of its own: what is younger than it may change unnoticed.
func (r *Run) coarseNow() time.Time { return time.Now().Add(-r.skew) }

func (r *Run) young(t time.Time) bool { return t.After(r.cutoff) }

func (r *Run) pinned(d storage.Digest) bool { return r.keepSet[d] }

// count counts what there is no counter for.
func (r *Run) count() {
	r.result.Links, r.result.Uploads, r.result.Emptied = 0, 0, 0
	emptied := map[int32]bool{}
	for k, list := range r.items {
		for i := range list {
			it := &list[i]
			if !it.is(planned) && !it.is(moved) {
				continue
			}
			switch {
			case k == kindLayer && !it.husk:
				r.result.Links++
			case k == kindUpload:
				r.result.Uploads++
			case k == kindRepository:
				emptied[it.repo] = true
			}
		}
	}
	r.result.Emptied = len(emptied)
}

func cmpStrings(pairs ...string) int {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != pairs[i+1] {
			if pairs[i] < pairs[i+1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func (r *Run) abs(rel string) string { return filepath.Join(r.store.Dir(), filepath.FromSlash(rel)) }
