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
		Checked fsck.Checked `json:"checked"` // of fsck
		Blobs   struct {
			Total int `json:"total"`
		} `json:"blobs"` // of gc and backup
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

// damage tells whether the last work of a kind met damaged images.
func (r *lastRun) damage(l compose.Layout, kind string) bool {
	if kind == "fsck" { // what other slices found is still so
		return len(fsck.ReadHistory(l.Path(fsckFile)).Problems) > 0
	}
	for _, p := range r.Result.Problems {
		if p.Damage || kind == "backup" && (p.ID == backup.BlobCorrupt || p.ID == backup.BlobMissing) {
			return true
		}
	}
	return false
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
			r.Last, r.Damage = &last.At, last.damage(v.l, c.kind)
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
			// An uneven schedule, such as Mondays and Tuesdays, has uneven gaps.
			var longest time.Duration
			at := j.When.Next(v.facts.Now)
			for range 32 {
				next := j.When.Next(at)
				longest, at = max(longest, next.Sub(at)), next
			}
			return 2*longest + 24*time.Hour, true
		}
	}
	return otherwise, false
}
