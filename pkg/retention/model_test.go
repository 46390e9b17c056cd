package retention

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// model decides about one tag at a time, by asking about all others again and
// again: slow, and nothing of it is shared with the package but the types.
type model struct {
	p Policy
	f Facts
}

func glob(pattern, text string) bool {
	re := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	return regexp.MustCompile("^" + re + "$").MatchString(text)
}

// inRepository knows the patterns that these tests use: a whole name, team/* and **.
func inRepository(pattern, name string) bool {
	switch pattern {
	case "**":
		return true
	case "team/*":
		return strings.HasPrefix(name, "team/")
	}
	return pattern == name
}

func (m model) siblings(t Tag) (all []Tag) {
	for _, s := range m.f.Tags {
		if s.Repository == t.Repository {
			all = append(all, s)
		}
	}
	return all
}

func signature(name string) bool { return strings.HasPrefix(name, "sha256-") }

func (m model) timed(t Tag) bool {
	return t.Pushed.Year() >= 2014 && !t.Pushed.After(m.f.Now)
}

// numbers reads v1.2.3-x as 1, 2, 3 and what is behind it.
func numbers(name string) (n []int, rest string, ok bool) {
	found := regexp.MustCompile(`^v?(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?(?:\.(0|[1-9][0-9]*)(-.*)?)?$`).FindStringSubmatch(name)
	if found == nil {
		return nil, "", false
	}
	for _, text := range found[1:4] {
		if text != "" {
			x, err := strconv.Atoi(text)
			if err != nil {
				return nil, "", false
			}
			n = append(n, x)
		}
	}
	return n, found[4], true
}

func (m model) isVersion(t Tag) bool {
	n, _, ok := numbers(t.Name)
	if !ok || len(n) == 3 {
		return ok
	}
	for _, s := range m.siblings(t) {
		if o, _, ok := numbers(s.Name); ok && len(o) == 3 && slices.Equal(o[:len(n)], n) {
			return true
		}
	}
	return false
}

func (m model) about(r Rule, t Tag) bool {
	in := false
	for _, p := range r.Repositories {
		in = in || inRepository(p, t.Repository)
	}
	if !in || signature(t.Name) {
		return false
	}
	if len(r.Tags) > 0 {
		in = false
		for _, p := range r.Tags {
			in = in || glob(p, t.Name)
		}
	}
	only := r.KeepLast == 0 && r.KeepWithin == 0 && r.KeepTags == nil && r.KeepPulledWithin == 0
	return in && (!only || m.isVersion(t))
}

// keeps tells whether a rule that is about t keeps it.
func (m model) keeps(r Rule, t Tag) bool {
	now := m.f.Now
	for _, p := range r.KeepTags {
		if glob(p, t.Name) {
			return true
		}
	}
	if r.KeepWithin > 0 && now.Sub(t.Pushed) <= r.KeepWithin {
		return true
	}
	if r.KeepPulledWithin > 0 {
		if !t.Pulled.IsZero() && now.Sub(t.Pulled) <= r.KeepPulledWithin || now.Sub(t.Pushed) <= r.KeepPulledWithin ||
			m.f.Pulls.IsZero() || now.Sub(m.f.Pulls) < r.KeepPulledWithin {
			return true
		}
	}
	if r.KeepLast > 0 && m.newerThanItsPush(r, t) < r.KeepLast {
		return true
	}
	return !r.KeepSemver.IsZero() && m.newVersion(r, t)
}

// newerThanItsPush counts the tags that are newer than all that were pushed
// together with t.
func (m model) newerThanItsPush(r Rule, t Tag) int {
	start := t.Pushed
	for again := true; again; {
		again = false
		for _, s := range m.siblings(t) {
			if m.about(r, s) && m.timed(s) && s.Digest != "" && s.Pushed.After(start) && s.Pushed.Sub(start) <= 2*time.Second {
				start, again = s.Pushed, true
			}
		}
	}
	n := 0
	for _, s := range m.siblings(t) {
		if m.about(r, s) && m.timed(s) && s.Digest != "" && s.Pushed.After(start) {
			n++
		}
	}
	return n
}

func (m model) newVersion(r Rule, t Tag) bool {
	if !m.isVersion(t) {
		return false
	}
	var releases [][]int
	for _, bare := range []bool{true, false} {
		for _, s := range m.siblings(t) {
			n, rest, ok := numbers(s.Name)
			if len(releases) > 0 && !bare && len(releases[0]) == 4 {
				break
			}
			if ok && len(n) == 3 && m.about(r, s) && (rest == "" || !bare) {
				if bare {
					n = append(n, 0) // marks that there are releases
				}
				releases = append(releases, n)
			}
		}
	}
	// older counts the different numbers after a prefix that are greater.
	newer := func(prefix []int, x int) int {
		seen := map[int]bool{}
		for _, n := range releases {
			if slices.Equal(n[:len(prefix)], prefix) && n[len(prefix)] > x {
				seen[n[len(prefix)]] = true
			}
		}
		return len(seen)
	}
	exists := func(prefix []int) bool {
		return slices.ContainsFunc(releases, func(n []int) bool { return slices.Equal(n[:len(prefix)], prefix) })
	}
	limits := []int{r.KeepSemver.Majors, r.KeepSemver.Minors, r.KeepSemver.Patches}
	// kept: it is there, and at each level among the newest.
	kept := func(n []int) bool {
		if len(n) > 0 && !exists(n) {
			return false
		}
		for i := range n {
			if limits[i] > 0 && newer(n[:i], n[i]) >= limits[i] {
				return false
			}
		}
		return true
	}
	n, _, _ := numbers(t.Name)
	if kept(n) {
		return true
	}
	for i := range n {
		if !exists(n[:i+1]) { // there is none yet: would it be one of the newest?
			return kept(n[:i]) && (limits[i] == 0 || newer(n[:i], n[i]) == 0)
		}
	}
	return false
}

func (m model) stays(t Tag) bool {
	if m.staysAlone(t) {
		return true
	}
	for _, s := range m.siblings(t) {
		if s.Digest == t.Digest && m.staysAlone(s) {
			return true
		}
	}
	return false
}

// staysAlone is stays without regard to tags on the same digest.
func (m model) staysAlone(t Tag) bool {
	if t.Digest == "" || signature(t.Name) || !m.timed(t) {
		return true
	}
	for _, p := range m.p.Immutable {
		repository, tag, _ := strings.Cut(p, ":")
		if inRepository(repository, t.Repository) && glob(tag, t.Name) {
			return true
		}
	}
	if m.p.KeepRunning {
		if m.f.Running.Tags[t.Repository+":"+t.Name] != "" || m.f.Running.Digests[t.Digest] != "" {
			return true
		}
		for _, d := range t.Reaches {
			if m.f.Running.Digests[d] != "" {
				return true
			}
		}
	}
	if m.atOnce(t) {
		return true
	}
	about := false
	for _, r := range m.p.Rules {
		if m.about(r, t) {
			about = true
			if m.keeps(r, t) {
				return true
			}
		}
	}
	return !about
}

// atOnce: of all tags that have a time, each but the newest has another at most
// two seconds younger; and there are three images or more.
func (m model) atOnce(t Tag) bool {
	images, alone := map[string]bool{}, 0
	var all []Tag
	for _, s := range m.siblings(t) {
		if m.timed(s) && s.Digest != "" && !signature(s.Name) {
			all = append(all, s)
			images[s.Digest] = true
		}
	}
	for i, a := range all {
		if !slices.ContainsFunc(all, func(b Tag) bool { return b.Pushed.After(a.Pushed) && b.Pushed.Sub(a.Pushed) <= 2*time.Second }) &&
			!slices.ContainsFunc(all[i+1:], func(b Tag) bool { return b.Pushed.Equal(a.Pushed) }) {
			alone++
		}
	}
	return alone <= 1 && len(images) >= 3
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func digestOf(n int) string { return fmt.Sprintf("sha256:%064x", n) }

func random(r *rand.Rand) (Policy, Facts) {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	chance := func(percent int) bool { return r.IntN(100) < percent }
	p := Policy{KeepRunning: chance(50), MaxDelete: r.IntN(101)}
	for range r.IntN(4) {
		rule := Rule{Repositories: []string{pick("**", "a", "team/*", "team/app")}}
		if chance(30) {
			rule.Tags = []string{pick("v*", "*", "1.*", "ci-*")}
		}
		for rule.String() == "" {
			if chance(40) {
				rule.KeepLast = 1 + r.IntN(4)
			}
			if chance(25) {
				rule.KeepWithin = time.Duration(1+r.IntN(20)) * day
			}
			if chance(20) {
				rule.KeepTags = []string{pick("latest", "v1.*", "ci-*", "*-rc.1")}
			}
			if chance(20) {
				rule.KeepPulledWithin = time.Duration(1+r.IntN(20)) * day
			}
			if chance(30) {
				rule.KeepSemver = Semver{r.IntN(3), r.IntN(3), r.IntN(3)}
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	if chance(30) {
		p.Immutable = []string{pick("**:v1.0.0", "team/*:v*", "a:latest")}
	}
	f := Facts{Now: now, Running: &Running{Tags: map[string]string{}, Digests: map[string]string{}}}
	if chance(70) {
		f.Pulls = now.Add(-time.Duration(r.IntN(30)) * day)
	}
	for _, repository := range []string{"a", "b", "team/app", "team/b"} {
		if chance(25) {
			continue
		}
		restored, seen := chance(20), map[string]bool{}
		for range r.IntN(12) {
			v := ""
			if chance(50) {
				v = "v"
			}
			name := pick("latest", "main", "20261124", fmt.Sprintf("ci-%d", r.IntN(5)), "sha256-"+strings.Repeat("0", 64)+".sig",
				fmt.Sprintf("%s%d", v, r.IntN(4)), fmt.Sprintf("%s%d.%d", v, r.IntN(3), r.IntN(3)),
				fmt.Sprintf("%s%d.%d.%d", v, r.IntN(3), r.IntN(3), r.IntN(3)), fmt.Sprintf("%s%d.%d.%d", v, r.IntN(3), r.IntN(3), r.IntN(3)),
				fmt.Sprintf("%s%d.%d.%d-rc.1", v, r.IntN(4), r.IntN(3), r.IntN(3)), fmt.Sprintf("%d.%d.%d-alpine", r.IntN(3), r.IntN(3), r.IntN(3)))
			if seen[name] {
				continue
			}
			seen[name] = true
			t := Tag{Repository: repository, Name: name, Digest: digestOf(r.IntN(20)), Pushed: now.Add(-time.Duration(r.IntN(20*24)) * time.Hour)}
			switch {
			case restored:
				t.Pushed = now.Add(-10*day + time.Duration(r.IntN(3000))*time.Millisecond)
			case chance(30):
				t.Pushed = now.Add(-3*day + time.Duration(r.IntN(10))*time.Second)
			}
			switch r.IntN(30) {
			case 0:
				t.Pushed = time.Time{}
			case 1:
				t.Pushed = time.Unix(0, 0)
			case 2:
				t.Pushed = now.Add(time.Hour)
			case 3:
				t.Digest = ""
			}
			if chance(20) {
				t.Pulled = now.Add(-time.Duration(r.IntN(30)) * day)
			}
			if chance(30) {
				t.Reaches = []string{digestOf(100 + r.IntN(10))}
			}
			switch r.IntN(20) {
			case 0:
				f.Running.Tags[repository+":"+name] = "web"
			case 1:
				f.Running.Digests[digestOf(r.IntN(20))] = "db"
			case 2:
				f.Running.Digests[digestOf(100+r.IntN(10))] = "cache"
			}
			f.Tags = append(f.Tags, t)
		}
	}
	r.Shuffle(len(f.Tags), func(i, j int) { f.Tags[i], f.Tags[j] = f.Tags[j], f.Tags[i] })
	return p, f
}

// Every decision is that of the model, has a reason, and does not depend on the
// order in which tags are found.
func TestAgainstTheModel(t *testing.T) {
	kept, deleted, reasons := 0, 0, map[Why]int{}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		p, f := random(r)
		plan, err := Make(p, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Decisions) != len(f.Tags) {
			t.Fatalf("seed %d: %d decisions about %d tags", seed, len(plan.Decisions), len(f.Tags))
		}
		m := model{p, f}
		for _, d := range plan.Decisions {
			if m.stays(d.Tag) == d.Delete {
				t.Fatalf("seed %d: %s:%s (%s): delete is %v, %s\nrules %v", seed, d.Repository, d.Name, d.Pushed.Sub(now), d.Delete, d.Text, p.Rules)
			}
			if d.Text == "" || d.Delete != (d.Why == "") || d.Delete && len(d.Rules) == 0 {
				t.Fatalf("seed %d: %+v has no reason", seed, d)
			}
			if d.Delete {
				deleted++
			} else {
				kept++
			}
			reasons[d.Why]++
		}
		r.Shuffle(len(f.Tags), func(i, j int) { f.Tags[i], f.Tags[j] = f.Tags[j], f.Tags[i] })
		again, err := Make(p, f)
		if err != nil || again.String() != plan.String() {
			t.Fatalf("seed %d: in another order\n%s\nand not\n%s", seed, again, plan)
		}
		consent(t, seed, plan, p)
	}
	if kept < 5000 || deleted < 1500 {
		t.Errorf("%d kept, %d deleted: the choice proves little", kept, deleted)
	}
	for _, why := range []Why{NoRule, Immutable, InUse, Unreadable, Companion, TimeUnknown, TimesLost, Shared, KeepLast, KeepWithin, KeepTags, KeepPulledWithin, KeepSemver} {
		if reasons[why] < 50 {
			t.Errorf("%s was a reason %d times only", why, reasons[why])
		}
	}
}

// consent counts for itself.
func consent(t *testing.T, seed uint64, plan *Plan, p Policy) {
	t.Helper()
	total, deleted, left := 0, 0, map[string]int{}
	for _, d := range plan.Decisions {
		if signature(d.Name) {
			continue
		}
		total++
		if d.Delete {
			deleted++
			left[d.Repository] += 0
		} else {
			left[d.Repository]++
		}
	}
	empty := 0
	for _, n := range left {
		if n == 0 {
			empty++
		}
	}
	much := total > 0 && float64(deleted)/float64(total) > float64(p.MaxDelete)/100
	if err := plan.Consent(); (err != nil) != (much || empty > 0) {
		t.Fatalf("seed %d: %v, %d of %d, %d repositories without a tag, at most %d %%", seed, err, deleted, total, empty, p.MaxDelete)
	}
}
