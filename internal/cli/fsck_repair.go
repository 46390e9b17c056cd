package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/fsck"
	"github.com/regctl/regctl/pkg/storage"
)

// fsckRepairRequest is what a repair is asked for.
type fsckRepairRequest struct {
	fsckRequest
	From     []fsckSource     `json:"from"`
	Tags     bool             `json:"tags"`
	DryRun   bool             `json:"dry_run"`
	Suspects []storage.Digest `json:"suspects"`
}

func fsckRepairJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req fsckRepairRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	sources, done, err := openSources(ctx, req.From, req.DryRun)
	if err != nil {
		return nil, err
	}
	defer done()
	m, err := fsck.Mend(ctx, root, fsck.MendOptions{Check: req.options(tell), Suspects: req.Suspects, Sources: sources,
		Tags: req.Tags, DryRun: req.DryRun, Command: "regctl fsck --repair"})
	if err != nil {
		r, err := req.nothing(err)
		if err != nil {
			return nil, err
		}
		return &fsck.Mended{Report: r, Steps: []fsck.Step{}}, nil
	}
	return m, nil
}

func (a *App) runFsckRepair(ctx context.Context, o fsckOptions, req fsckRequest) error {
	// What --from names is looked at before anything else is done.
	from, err := a.fsckSources(o)
	if err != nil {
		return err
	}
	sources, closeSources, err := openSources(ctx, from, a.dryRun)
	if err != nil {
		return err
	}
	defer closeSources()
	at, done, err := a.openRepair(ctx, o.root)
	if err != nil {
		return err
	}
	defer done()
	req.Seen = seenOn(at)
	ask := fsckRepairRequest{fsckRequest: req, Tags: a.yes, DryRun: a.dryRun}
	var out fsck.Mended
	if at.root != "" {
		ask.From = from
		err = a.do(ctx, at, "fsck repair", ask, &out)
	} else {
		err = a.repairStack(ctx, at, ask, sources, &out)
	}
	if err != nil {
		return err
	}
	res := &fsckResult{DryRun: a.dryRun, Report: *out.Report, Repairs: out.Steps, at: at}
	a.fsckHistory(at, &res.Report)
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(res.Damaged())
}

// openRepair finds the storage that is to be mended, which need not be of a stack
// that runs.
func (a *App) openRepair(ctx context.Context, root string) (site, func(), error) {
	if root != "" || a.dryRun {
		return a.openReading(ctx, root)
	}
	d, err := a.open()
	if err != nil {
		return site{}, nil, err
	}
	held, err := lockDeployment(ctx, d.Layout, "fsck --repair")
	if err != nil {
		return site{}, nil, err
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return site{}, nil, errors.Join(err, held.Release())
	}
	return site{d: d, engine: e}, func() {
		e.Close()
		_ = held.Release() // the kernel drops it with the process in any case
	}, nil
}

// gathered is where a container finds what was brought for it.
const gathered = "/gathered"

// repairs is how often what was mended may show more that has to be brought.
const repairs = 8

// repairStack mends the volume of a stack. The container that works on it has no
// network and no way to the host's files. So it says what it wants; that is brought
// to a directory here, compared with its digests, and lent to the next container,
// which compares it once more.
func (a *App) repairStack(ctx context.Context, at site, ask fsckRepairRequest, sources []fsck.Source, out *fsck.Mended) error {
	scratch := at.d.Path(compose.StateDir + "/fsck-from")
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	plan, reading := ask, at
	plan.DryRun, reading.reads = true, true
	if err := a.do(ctx, reading, "fsck repair", plan, out); err != nil {
		return err
	}
	if ask.DryRun {
		a.expectFrom(ctx, sources, out)
		return nil
	}
	first := out.Report
	ask.Suspects, ask.Fast, ask.Slice = out.Suspects, true, fsck.Slice{}
	wants, steps, givers := out.Wants, []fsck.Step{}, map[storage.Digest]string{}
	for range repairs {
		came, err := a.gather(ctx, scratch, sources, wants)
		if err != nil {
			return err
		}
		maps.Copy(givers, came)
		if len(came) > 0 {
			at.binds, ask.From = map[string]string{scratch: gathered}, []fsckSource{{Dest: gathered}}
		}
		*out = fsck.Mended{}
		if err := a.do(ctx, at, "fsck repair", ask, out); err != nil {
			return err
		}
		steps = joinSteps(steps, out.Steps)
		if wants = out.Wants; len(came) == 0 || len(wants) == 0 {
			break
		}
		ask.Suspects = out.Suspects
	}
	for i, st := range steps {
		if st.From == gathered {
			steps[i].From = givers[st.Digest]
		}
	}
	out.Steps = steps
	out.Report.Fast, out.Report.Slice = first.Fast, first.Slice
	out.Report.Checked.Hashed, out.Report.Checked.HashedBytes = first.Checked.Hashed, first.Checked.HashedBytes
	return nil
}

func (a *App) gather(ctx context.Context, scratch string, sources []fsck.Source, wants []fsck.Want) (map[storage.Digest]string, error) {
	if len(sources) == 0 || len(wants) == 0 {
		return nil, nil
	}
	show := ui.Progress{UI: &a.ui}
	defer show.End()
	return fsck.Gather(ctx, scratch, sources, wants, func(p fsck.Progress) { show.Show(ui.Amount{Phase: "fetching blobs", Done: p.Done, Total: p.Total}) })
}

// expectFrom tells the steps of a plan who has what they need.
func (a *App) expectFrom(ctx context.Context, sources []fsck.Source, out *fsck.Mended) {
	wants := map[storage.Digest]fsck.Want{}
	for _, w := range out.Wants {
		wants[w.Digest] = w
	}
	for i := range out.Steps {
		st := &out.Steps[i]
		w, open := wants[st.Digest]
		if st.Action != fsck.Fetch || !open {
			continue
		}
		for _, s := range sources {
			if r, err := s.Open(ctx, w); err == nil {
				r.Close()
				st.From, st.Message = s.String(), ""
				break
			}
		}
	}
}

// joinSteps adds what a later round did: a step that was tried again replaces the
// one before.
func joinSteps(steps, more []fsck.Step) []fsck.Step {
	at := map[string]int{}
	for i, st := range steps {
		at[string(st.Action)+st.Path] = i
	}
	for _, st := range more {
		if i, ok := at[string(st.Action)+st.Path]; ok {
			if st.Aside == "" {
				st.Aside = steps[i].Aside
			}
			steps[i] = st
			continue
		}
		steps = append(steps, st)
	}
	return steps
}
