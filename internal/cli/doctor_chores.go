package cli

import (
	"context"
	"time"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/doctor"
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
			s.Installed, s.Current, s.Problems = true, p.Current, p.Problems
		}
	}
}

// lastRun is what a.remember kept of a kind of work.
type lastRun struct {
	At     time.Time `json:"at"`
	Result struct {
		Problems []struct {
			Damage bool `json:"damage"`
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
// often at least.
var chores = []struct {
	kind  string
	every time.Duration
}{
	{"gc", 35 * 24 * time.Hour},
}

// runs looks when the chores were done last.
func (v *visit) runs() {
	for _, c := range chores {
		r := doctor.Run{Kind: c.kind, Every: c.every, Command: "regctl " + c.kind, Scheduled: v.jobOf(c.kind)}
		if last := readLast(v.l, c.kind); last != nil {
			r.Last = &last.At
			for _, p := range last.Result.Problems {
				r.Damage = r.Damage || p.Damage
			}
		}
		v.facts.Runs = append(v.facts.Runs, r)
	}
}

// jobOf tells whether regctl.yaml has a kind of work run by itself.
func (v *visit) jobOf(kind string) bool {
	if v.d == nil {
		return false
	}
	s, err := v.app.schedule(v.d, "")
	if err != nil {
		return false
	}
	for _, j := range s.Jobs {
		if j.Name == kind {
			return true
		}
	}
	return false
}
