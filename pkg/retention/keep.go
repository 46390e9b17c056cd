package retention

import (
	"fmt"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/pattern"
)

// Together is the time within which two tags of a repository count as pushed at
// once when nothing was pushed between them that is further from either. Copying
// a registry without its times writes a repository's tags in milliseconds; a
// pipeline that pushes several tags of one build takes about as long. In neither
// case does the order mean anything, and keep_last does not part such tags.
const Together = 2 * time.Second

// few is how many different images, pushed at once and nothing else beside them,
// do not yet look like a registry that was put back without its times.
const few = 3

// timesLost tells whether all tags of a repository that have a time were written
// at once, and too many for one push.
func timesLost(f Facts, tags []Decision) bool {
	var times []time.Time
	images := map[string]bool{}
	for _, t := range tags {
		if t.Digest != "" && f.dated(t.Tag) && !companion(t.Name) {
			times = append(times, t.Pushed)
			images[t.Digest] = true
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		if times[i].Sub(times[i-1]) > Together {
			return false
		}
	}
	return len(images) >= few
}

// keeper is a rule at work on the tags of one repository that it is about.
type keeper struct {
	rule  Rule
	facts Facts
	tags  []*Decision
	lines lines
}

// because keeps a tag, unless there is a reason already.
func because(t *Decision, why Why, format string, args ...any) {
	if t.Why == "" {
		t.Why, t.Text = why, fmt.Sprintf(format, args...)
	}
}

func (k keeper) keep() {
	r, now := k.rule, k.facts.Now
	k.last()
	for _, t := range k.tags {
		for _, p := range r.KeepTags {
			if pattern.MatchesTag(p, t.Name) {
				because(t, KeepTags, "it is one of %s", p)
			}
		}
		if r.KeepWithin > 0 && since(t.Pushed, now, r.KeepWithin) {
			because(t, KeepWithin, "pushed %s, within %s", ago(now, t.Pushed), length(r.KeepWithin))
		}
		if r.KeepPulledWithin > 0 {
			k.pulled(t)
		}
	}
	if !r.KeepSemver.IsZero() {
		k.versions()
	}
}

// last keeps the tags pushed last. Those without a time take nobody's place.
func (k keeper) last() {
	n := k.rule.KeepLast
	if n == 0 {
		return
	}
	var dated []*Decision
	for _, t := range k.tags {
		if t.Digest != "" && k.facts.dated(t.Tag) {
			dated = append(dated, t)
		}
	}
	slices.SortStableFunc(dated, func(a, b *Decision) int { return b.Pushed.Compare(a.Pushed) })
	for i, t := range dated {
		switch {
		case i < n:
			because(t, KeepLast, "one of the last %d, pushed %s", n, ago(k.facts.Now, t.Pushed))
		case dated[i-1].Pushed.Sub(t.Pushed) <= Together:
			because(t, KeepLast, "pushed together with one of the last %d, %s", n, ago(k.facts.Now, t.Pushed))
		default:
			return
		}
	}
}

func (k keeper) pulled(t *Decision) {
	within, now := k.rule.KeepPulledWithin, k.facts.Now
	switch {
	case since(t.Pulled, now, within):
		because(t, KeepPulledWithin, "pulled %s, within %s", ago(now, t.Pulled), length(within))
	case since(t.Pushed, now, within):
		because(t, KeepPulledWithin, "pushed %s, within %s of being pulled", ago(now, t.Pushed), length(within))
	case k.facts.Pulls.IsZero():
		because(t, KeepPulledWithin, "it is not known who pulled what")
	case k.facts.Pulls.After(now.Add(-within)):
		because(t, KeepPulledWithin, "who pulled what is known for %s only, and not for %s", length(now.Sub(k.facts.Pulls)), length(within))
	}
}

// since tells whether at lies within so long before now, or after it.
func since(at, now time.Time, within time.Duration) bool {
	return !at.IsZero() && !at.Before(now.Add(-within))
}

// ago is how long before now something was, for a person.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "at no known time"
	}
	if d := now.Sub(at); d >= 0 {
		return length(d) + " ago"
	}
	return "after now"
}

// length is a duration in its largest whole unit.
func length(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day || d == day:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
