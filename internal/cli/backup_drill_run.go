package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/drill"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// drillLock keeps drills apart, and nothing else: a drill takes hours where much is
// restored, and touches nothing of the stack.
const drillLock = compose.StateDir + "/drill.lock"

func lockDrill(ctx context.Context, l compose.Layout) (*lock.Lock, error) {
	if err := durable.MkdirAll(l.Path(compose.StateDir), 0o700); err != nil {
		return nil, err
	}
	held, err := lock.Acquire(ctx, l.Path(drillLock), "regctl backup drill", 0)
	var busy *lock.HeldError
	if errors.As(err, &busy) {
		err = advice.With(err, "wait for it to end")
	}
	return held, err
}

func (a *App) runBackupDrill(ctx context.Context, o drillOptions, name string) error {
	part, err := o.check()
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	// Before an Engine is asked for: it may be that nothing says where the backups are.
	if _, err := a.depot(d, o.storeFlags); err != nil {
		return err
	}
	began := time.Now()
	at := site{d: d}
	if !a.dryRun {
		if at.engine, err = a.Connect(ctx); err != nil {
			return err
		}
		defer at.engine.Close()
		held, err := lockDrill(ctx, d.Layout)
		if err != nil {
			return err
		}
		defer func() { _ = held.Release() }() // the kernel drops it with the process in any case
		if err := at.engine.SweepDrill(ctx, d.cfg.Project); err != nil {
			return err
		}
	}
	from, err := a.openBackup(ctx, d, o.storeFlags, name)
	if err != nil {
		return err
	}
	defer from.store.Close()
	res := &drillResult{DryRun: a.dryRun, From: from.name, Snapshot: from.snap.ID, Time: from.snap.Time, Image: o.image,
		Of: from.snap.Repositories, Problems: []backup.Problem{}, Result: drill.Result{Unpullable: []drill.Unpullable{}}}
	if res.Image == "" {
		res.Image = d.cfg.Registry.Image
	}
	work := func(ctx context.Context) error { return a.drill(ctx, at, o, part, from, res) }
	if a.dryRun {
		err = work(ctx)
	} else {
		err = from.reading(ctx, "backup drill", work)
	}
	res.DurationMS = time.Since(began).Milliseconds()
	if !a.dryRun {
		a.rememberDrill(ctx, at, res, err)
	}
	if err != nil {
		return err
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(!res.Passed && !a.dryRun)
}

// drill does the work, and removes all that it made.
func (a *App) drill(ctx context.Context, at site, o drillOptions, part float64, from *opened, res *drillResult) (err error) {
	match := o.match()
	c, err := from.store.Contents(ctx, from.snap, match)
	if err == nil && part < 1 {
		drawn := map[string]bool{}
		for _, name := range draw(c.Repositories, part) {
			drawn[name] = true
		}
		match = func(name string) bool { return drawn[name] }
		c, err = from.store.Contents(ctx, from.snap, match)
	}
	if err != nil {
		return err
	}
	res.Partial, res.Room, res.names = match != nil, c.Room, c.Repositories
	if a.dryRun {
		res.Repositories, res.Tags, res.Blobs, res.Bytes = len(c.Repositories), c.Tags, c.Blobs, c.Bytes
		return nil
	}
	if err := a.haveImage(ctx, at.engine, res.Image); err != nil {
		return err
	}
	at.drill, at.image = true, res.Image
	defer func() {
		// The verdict stands, and doctor tells of what stays.
		if left := at.engine.SweepDrill(ctx, at.d.cfg.Project); left != nil {
			a.ui.Warn("what the drill made is not all removed (%v): regctl doctor --fix%s does it", left, dirFlag(at.d.Dir))
		}
	}()
	if at.volume, err = at.engine.MakeDrillVolume(ctx, at.d.cfg.Project); err != nil {
		return err
	}
	p, beside := from.on(at)
	beside.binds, beside.shares = beside.shares, nil // it is only read
	req := drillRequest{restoreRequest: restoreRequest{storeRequest: p.request(from.name, "backup drill"), Snapshot: from.snap.ID, Archive: from.archive, Damaged: true},
		Whole: match == nil, Room: c.Room}
	if match != nil {
		req.Names = c.Repositories
	}
	var restored backup.Restored
	if err := a.do(ctx, beside, "drill restore", req, &restored); err != nil {
		return err
	}
	res.Problems = append(res.Problems, restored.Problems...)
	// It needs nothing but what was restored.
	at.reads = true
	if err := a.do(ctx, at, "drill pull", drillPull{Sparse: o.sparse, Blobs: c.Blobs, Bytes: c.Bytes}, &res.Result); err != nil {
		return err
	}
	explain(res)
	res.Passed = res.Failed == 0 && len(res.Problems) == 0
	return nil
}

// explain says of what does not come that it could not be restored, and why: the
// registry only knows that it is not there.
func explain(res *drillResult) {
	why := map[storage.Digest]string{}
	for _, p := range res.Problems {
		why[p.Digest] = fmt.Sprintf("%s (%s)", p.Message, p.ID)
	}
	for i := range res.Unpullable {
		if text, ok := why[res.Unpullable[i].Cause]; ok {
			res.Unpullable[i].Message = text
		}
	}
}

// haveImage pulls an image that is not on this host.
func (a *App) haveImage(ctx context.Context, e *engine.Client, ref string) error {
	id, err := e.ImageID(ctx, ref)
	if err != nil || id != "" {
		return err
	}
	a.ui.Step("pulling %s", ref)
	return e.Pull(ctx, ref, func(line string) { a.ui.Detail("  %s", line) })
}

// drillKept is what is kept of the last drill.
type drillKept struct {
	drillResult
	// Error is why there is no verdict.
	Error string `json:"error"`
	// LastPassed is when a drill passed last.
	LastPassed *time.Time `json:"last_passed"`
}

// fewUnpullable is how many of those are kept.
const fewUnpullable = 20

// rememberDrill keeps the verdict, or that there is none, unless that says nothing
// about the backup: the drill was given up, something outside was missing, others were
// at work, or it was a try with another registry. A part that passed does not make good
// what failed elsewhere.
func (a *App) rememberDrill(ctx context.Context, at site, res *drillResult, err error) {
	code := status(ctx, err)
	if ctx.Err() != nil || code == statusOutside || code == statusLocked || errors.Is(err, backup.ErrNothingMatches) || res.Image != at.d.cfg.Registry.Image {
		return
	}
	kept := drillKept{drillResult: *res}
	if err != nil {
		kept.Error = err.Error()
	}
	if before := readDrill(at.d.Layout); before != nil {
		if err == nil && res.Passed && res.Partial && !before.madeGood(res.names) {
			a.ui.Warn("regctl status goes on to tell of the drill of %s, which failed on more than this one tried", before.At.Local().Format(time.DateTime))
			return
		}
		kept.LastPassed = before.LastPassed
		if err != nil || res.Partial {
			kept.carry(before)
		}
	}
	kept.Unpullable = kept.Unpullable[:min(len(kept.Unpullable), fewUnpullable)]
	kept.Problems = kept.Problems[:min(len(kept.Problems), fewUnpullable)]
	if err == nil && res.Passed {
		now := a.Now()
		kept.LastPassed = &now
	}
	a.remember(at, "drill", kept)
}

// carry adds what failed before and was not tried, or not to the end, this time.
func (k *drillKept) carry(before *lastDrill) {
	if before.Passed {
		return
	}
	untold := before.Failed - len(before.Unpullable)
	k.Unpullable, k.Problems = slices.Clone(k.Unpullable), slices.Clone(k.Problems)
	again, still := map[storage.Digest]bool{}, map[storage.Digest]bool{}
	for _, u := range before.Unpullable {
		if k.Error == "" && slices.Contains(k.names, u.Repository) {
			again[u.Cause] = true
			continue
		}
		still[u.Cause] = true
		k.Unpullable = append(k.Unpullable, u)
		k.Failed++
	}
	k.Failed += untold
	for _, p := range before.Problems {
		told := slices.ContainsFunc(k.Problems, func(q backup.Problem) bool { return q.Digest == p.Digest })
		if !told && (still[p.Digest] || !again[p.Digest]) {
			k.Problems = append(k.Problems, p)
		}
	}
}

// madeGood tells whether a drill on these repositories that passed leaves nothing of
// what failed before.
func (k *lastDrill) madeGood(names []string) bool {
	if k.Passed || k.Failed == 0 && len(k.Problems) == 0 {
		return true
	}
	causes := map[storage.Digest]bool{}
	for _, u := range k.Unpullable {
		if !slices.Contains(names, u.Repository) {
			return false
		}
		causes[u.Cause] = true
	}
	for _, p := range k.Problems { // nobody knows whose a blob is that nothing failed on
		if !causes[p.Digest] {
			return false
		}
	}
	return k.Failed == len(k.Unpullable)
}

// lastDrill is what was kept of the last drill.
type lastDrill struct {
	At time.Time
	drillKept
}

// readDrill reads it; nil: there was none, or it is not known.
func readDrill(l compose.Layout) *lastDrill {
	var last struct {
		At     time.Time `json:"at"`
		Result drillKept `json:"result"`
	}
	if err := readJSON(l.Path(lastFile("drill")), &last); err != nil || last.At.IsZero() {
		return nil
	}
	return &lastDrill{last.At, last.Result}
}
