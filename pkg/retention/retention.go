// Package retention decides which tags are to go, by rules like those of other
// registries. It only decides: what it is told about the tags comes from the
// caller, and what becomes of its plan is pkg/gc's.
//
// A tag goes when at least one rule is about it and none of the rules that are
// keeps it. Whatever the rules say, these stay:
//
//   - a tag that no rule is about, and one that belongs to an image, such as its
//     signature: pkg/gc has it live and die with the image;
//   - one that is immutable, that a running container uses, or that cannot be read;
//   - one whose push time is unknown or still to come, or worth nothing: when all
//     tags of a repository were written at once, somebody put it back without its
//     times, and their order says nothing (see [Together]);
//   - one whose digest a tag of the repository has that is kept.
//
// A plan that takes every tag of a repository, or too many of all, asks for
// somebody's consent ([Plan.Consent]).
package retention

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/pattern"
)

// Rule says what is kept of the tags that it is about. Its parts that are zero
// keep nothing; a tag that one of the others keeps is kept.
type Rule struct {
	Repositories []string // patterns
	Tags         []string // patterns of the tags that it is about; none: all

	KeepLast   int           // so many of them, those pushed last
	KeepWithin time.Duration // those pushed since so long ago
	KeepTags   []string      // patterns
	// KeepPulledWithin keeps what was pulled since so long ago, or pushed: what is
	// new was not pulled yet. While it is not known for so long who pulled, it
	// keeps all.
	KeepPulledWithin time.Duration
	// KeepSemver keeps versions. A rule of nothing else is about versions alone.
	KeepSemver Semver
}

// Policy is what is to be kept.
type Policy struct {
	Rules       []Rule
	Immutable   []string // patterns REPOSITORY:TAG
	KeepRunning bool
	// MaxDelete is how much may go without somebody's consent, in percent of all
	// tags.
	MaxDelete int
}

// Tag is what is known of a tag.
type Tag struct {
	Repository string
	Name       string
	Digest     string    // of its manifest; empty: it cannot be read
	Pushed     time.Time // when it was put there last; zero: unknown
	Pulled     time.Time // when it was last pulled, by name or by digest; zero: not that anybody knows
	// Reaches are digests of what belongs to the manifest and may be what a
	// container runs: the manifests of an index, and configs, which are image IDs.
	Reaches []string
}

// Running is what the containers of an Engine use, with the name of one of them
// each.
type Running struct {
	Tags    map[string]string // by REPOSITORY:TAG of this registry
	Digests map[string]string // of manifests and image IDs
}

// Facts are what the plan is made from.
type Facts struct {
	Now  time.Time
	Tags []Tag
	// Pulls is since when it is known who pulled what; zero: it is not known.
	Pulls time.Time
	// Running is nil when the Engine could not be asked.
	Running *Running
}

// ErrRunningUnknown says that what runs is to be kept and nobody knows what runs.
var ErrRunningUnknown = errors.New("it is not known which images are in use here")

// Why is the kind of reason for which a tag is kept.
type Why string

// The reasons, and those that are the names of a rule's parts.
const (
	NoRule      Why = "no-rule"
	Immutable   Why = "immutable"
	InUse       Why = "running"
	Unreadable  Why = "unreadable"
	Companion   Why = "companion"
	TimeUnknown Why = "time-unknown" // or still to come
	TimesLost   Why = "times-lost"
	Shared      Why = "shared-digest"

	KeepLast         Why = "keep_last"
	KeepWithin       Why = "keep_within"
	KeepTags         Why = "keep_tags"
	KeepPulledWithin Why = "keep_pulled_within"
	KeepSemver       Why = "keep_semver"
)

// Decision is what becomes of a tag.
type Decision struct {
	Tag
	Delete bool
	// Rules are the indexes of the rules that are about it.
	Rules []int
	Why   Why    // it is kept; empty for one that goes
	Text  string // the reason, for a person, on one line
}

// Plan is what becomes of all tags, in the order of repositories and tags.
type Plan struct {
	Decisions []Decision
	Deleted   int

	maxDelete int
}

// String is a line for each tag: "keep team/app:v1: one of the last 10, pushed 2d
// ago".
func (p *Plan) String() string {
	var b strings.Builder
	for _, d := range p.Decisions {
		verb := "keep"
		if d.Delete {
			verb = "delete"
		}
		fmt.Fprintf(&b, "%s %s:%s: %s\n", verb, d.Repository, d.Name, d.Text)
	}
	return b.String()
}

// earliest is when the first registry that kept tags in this way was written. A
// file with an older time got it from something else.
var earliest = time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)

// Make decides. The error is [ErrRunningUnknown], and no plan.
func Make(p Policy, f Facts) (*Plan, error) {
	if p.KeepRunning && f.Running == nil && len(p.Rules) > 0 {
		return nil, ErrRunningUnknown
	}
	plan := &Plan{maxDelete: p.MaxDelete, Decisions: make([]Decision, 0, len(f.Tags))}
	for _, t := range f.Tags {
		plan.Decisions = append(plan.Decisions, Decision{Tag: t})
	}
	slices.SortFunc(plan.Decisions, func(a, b Decision) int {
		if c := strings.Compare(a.Repository, b.Repository); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	for rest := plan.Decisions; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Repository == rest[0].Repository {
			n++
		}
		decide(p, f, rest[:n])
		rest = rest[n:]
	}
	for _, d := range plan.Decisions {
		if d.Delete {
			plan.Deleted++
		}
	}
	return plan, nil
}

// decide decides about the tags of one repository.
func decide(p Policy, f Facts, tags []Decision) {
	lost, lines := timesLost(f, tags), linesOf(tags)
	for i := range tags {
		t := &tags[i]
		for r, rule := range p.Rules {
			if rule.about(t.Tag, lines) {
				t.Rules = append(t.Rules, r)
			}
		}
		if why, text := p.whatever(f, t.Tag, lost); why != "" {
			t.Why, t.Text = why, text
		} else if len(t.Rules) == 0 {
			t.Why, t.Text = NoRule, "no rule is about it"
		}
	}
	for r, rule := range p.Rules {
		k := keeper{rule: rule, facts: f, lines: lines}
		for i := range tags {
			if slices.Contains(tags[i].Rules, r) {
				k.tags = append(k.tags, &tags[i])
			}
		}
		k.keep()
	}
	kept := map[string]string{} // by digest
	for _, t := range tags {
		if t.Why != "" {
			kept[t.Digest] = t.Name
		}
	}
	for i := range tags {
		t := &tags[i]
		if t.Why != "" {
			continue
		}
		if as, ok := kept[t.Digest]; ok {
			t.Why, t.Text = Shared, "the same image as "+as+", which is kept"
			continue
		}
		t.Delete = true
		var not []string
		for _, r := range t.Rules {
			not = append(not, fmt.Sprintf("rules[%d] (%s)", r, p.Rules[r]))
		}
		t.Text = "not kept by " + strings.Join(not, " nor ") + ", pushed " + ago(f.Now, t.Pushed)
	}
}

// whatever tells why a tag is kept whatever the rules say.
func (p Policy) whatever(f Facts, t Tag, lost bool) (Why, string) {
	switch {
	case t.Digest == "":
		return Unreadable, "it cannot be read"
	case companion(t.Name):
		return Companion, "it belongs to an image, and goes when that does"
	case slices.ContainsFunc(p.Immutable, func(i string) bool { return pattern.MatchesTagged(i, t.Repository, t.Name) }):
		return Immutable, "it is immutable"
	}
	if p.KeepRunning && f.Running != nil {
		if by := f.Running.uses(t); by != "" {
			return InUse, "container " + by + " runs it"
		}
	}
	switch {
	case !f.dated(t):
		return TimeUnknown, "it is not known when it was pushed"
	case lost:
		return TimesLost, "all tags of the repository were written at once, so their times say nothing"
	}
	return "", ""
}

// dated tells whether the push time can be one.
func (f Facts) dated(t Tag) bool { return !t.Pushed.Before(earliest) && !t.Pushed.After(f.Now) }

func (r *Running) uses(t Tag) string {
	if by := r.Tags[t.Repository+":"+t.Name]; by != "" {
		return by
	}
	for _, d := range append([]string{t.Digest}, t.Reaches...) {
		if by := r.Digests[d]; by != "" {
			return by
		}
	}
	return ""
}

// companions are tags that say something about a manifest, whose digest they are
// made of: cosign's signatures, attestations and SBOMs, and what clients push in
// the place of the referrers API.
var companions = regexp.MustCompile(`^sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z0-9.]+)?$`)

func companion(tag string) bool { return companions.MatchString(tag) }

// about tells whether a rule is about a tag.
func (r Rule) about(t Tag, lines lines) bool {
	if companion(t.Name) {
		return false
	}
	if !slices.ContainsFunc(r.Repositories, func(p string) bool { return pattern.Matches(p, t.Repository) }) {
		return false
	}
	if len(r.Tags) > 0 && !slices.ContainsFunc(r.Tags, func(p string) bool { return pattern.MatchesTag(p, t.Name) }) {
		return false
	}
	if r.KeepLast == 0 && r.KeepWithin == 0 && len(r.KeepTags) == 0 && r.KeepPulledWithin == 0 {
		v, is := parseVersion(t.Name)
		return is && lines.has(v)
	}
	return true
}

// String is what the rule keeps: "keep_last 10, keep_within 90d".
func (r Rule) String() string {
	var parts []string
	add := func(set bool, format string, args ...any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(r.KeepLast > 0, "keep_last %d", r.KeepLast)
	add(r.KeepWithin > 0, "keep_within %s", length(r.KeepWithin))
	add(len(r.KeepTags) > 0, "keep_tags %s", strings.Join(r.KeepTags, " "))
	add(r.KeepPulledWithin > 0, "keep_pulled_within %s", length(r.KeepPulledWithin))
	add(!r.KeepSemver.IsZero(), "keep_semver %s", r.KeepSemver)
	return strings.Join(parts, ", ")
}
