package cli

import (
	"context"
	"time"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/fsck"
)

// scheduled looks at what runs by itself.
func (v *visit) scheduled(ctx context.Context) {
	s := &doctor.Schedule{}
	v.facts.Schedule = s
	binary, err := ownBinary()
	if err != nil {
		s.Error = err.Error()
		return
	}
	want, err := v.app.schedule(v.d, binary)
	if err != nil {
		s.Error = err.Error()
		return
	}
	s.Wanted = len(want.Jobs)
	places := v.app.places(ctx, schedulerFlags{}, want)
	if err := unknown(schedulerFlags{}, places); err != nil {
		s.Error = err.Error()
	}
	for _, p := range places {
		if !p.Installed {
			continue
		}
		s.Error = "" // what there is was found
		s.Twice = s.Installed
		if !s.Installed {
			s.Installed, s.Current, s.Problems = true, p.Current, append(p.Problems, bound(v.d.cfg)...)
		}
	}
}

// lastRun is what a.remember kept of a kind of work.
type lastRun struct {
	At     time.Time `json:"at"`
	Result struct {
		Checked  fsck.Checked `json:"checked"` // of fsck
		Problems []struct {
			ID     string `json:"id"`
			Damage bool   `json:"damage"`
		} `json:"problems"`
	} `json:"result"`
}

// readLast reads when a kind of work was done last; nil: never, or not known.
func readLast(l compose.Layout, kind string) *lastRun {
	var last lastRun
	if err := readJSON(l.Path(lastFile(kind)), &last); err != nil || last.At.IsZero() {
		return nil
	}
	return &last
}

// chores are the kinds of work that are to be done from time to time, and how
// often at least where nothing runs them by itself.
var chores = []struct {
	kind  string
	every time.Duration
}{
	{"gc", 35 * 24 * time.Hour},
	{"backup", 8 * 24 * time.Hour},
	{"fsck", 35 * 24 * time.Hour},
}

// everyDrill is the same for drills.
const everyDrill = 100 * 24 * time.Hour

// runs looks when the chores were done last.
func (v *visit) runs() {
	for _, c := range chores {
		r := doctor.Run{Kind: c.kind, Command: "regctl " + c.kind}
		r.Every, r.Scheduled = v.every(c.kind, c.every)
		if last := readLast(v.l, c.kind); last != nil {
			r.Last = &last.At
			for _, p := range last.Result.Problems {
				r.Damage = r.Damage || p.Damage || c.kind == "backup" && (p.ID == backup.BlobCorrupt || p.ID == backup.BlobMissing)
			}
		}
		if c.kind == "fsck" { // what other slices found is still so
			r.Damage = len(fsck.ReadHistory(v.l.Path(fsckFile)).Problems) > 0
		}
		v.facts.Runs = append(v.facts.Runs, r)
	}
	v.drills()
}

// drills looks what became of the last drill.
func (v *visit) drills() {
	if readLast(v.l, "backup") == nil {
		return // there is nothing to be drilled on
	}
	d := &doctor.Drill{}
	d.Every, d.Scheduled = v.every("drill", everyDrill)
	if last := readDrill(v.l); last != nil {
		d.Last, d.Passed, d.LastPassed, d.Error = &last.At, last.Passed, last.LastPassed, last.Error
		d.Snapshot, d.Failed, d.Problems = last.Snapshot, last.Failed, len(last.Problems)
		for _, u := range last.Unpullable[:min(len(last.Unpullable), 1)] {
			d.First = u.String()
		}
	}
	v.facts.Drill = d
}

// every is how often a kind of work is to be done: where regctl.yaml has it run by
// itself one run may be left out, else as often as is given.
func (v *visit) every(kind string, otherwise time.Duration) (every time.Duration, scheduled bool) {
	if v.d == nil {
		return otherwise, false
	}
	s, err := v.app.schedule(v.d, "")
	if err != nil {
		return otherwise, false
	}
	for _, j := range s.Jobs {
		if j.Name == kind {
			next := j.When.Next(v.facts.Now)
			return 2*j.When.Next(next).Sub(next) + 24*time.Hour, true
		}
	}
	return otherwise, false
}
