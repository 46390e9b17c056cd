package retention

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// tags makes tags of one repository: "name age[ digest]", a day apart unless told.
func tags(repository string, lines ...string) (all []Tag) {
	for i, line := range lines {
		words := strings.Fields(line)
		t := Tag{Repository: repository, Name: words[0], Digest: digestOf(1000 + i), Pushed: now.Add(-time.Duration(i+1) * day)}
		if len(words) > 1 {
			age, err := time.ParseDuration(words[1])
			if err != nil {
				panic(err)
			}
			t.Pushed = now.Add(-age)
		}
		if len(words) > 2 {
			t.Digest = words[2]
		}
		all = append(all, t)
	}
	return all
}

func plan(t *testing.T, p Policy, f Facts) *Plan {
	t.Helper()
	if f.Now.IsZero() {
		f.Now = now
	}
	made, err := Make(p, f)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// gone are the tags that go.
func gone(p *Plan) (names []string) {
	for _, d := range p.Decisions {
		if d.Delete {
			names = append(names, d.Name)
		}
	}
	return names
}

var everywhere = []string{"**"}

// Accidents of other registries: facts about retention elsewhere.
func TestKnownAccidents(t *testing.T) {
	last := func(n int) Policy {
		return Policy{Rules: []Rule{{Repositories: everywhere, KeepLast: n}}, MaxDelete: 100}
	}
	for _, tt := range []struct {
		name string
		p    Policy
		f    Facts
		gone []string
		why  Why // of one that stays
	}{
		{"tags that no rule is about are deleted (zot)",
			Policy{Rules: []Rule{{Repositories: []string{"ci/*"}, KeepLast: 1}}},
			Facts{Tags: slices.Concat(tags("app", "v1", "v2", "v3"), tags("ci/x", "a", "b"))}, []string{"b"}, NoRule},
		{"a rebuilt index makes every tag look old (zot#4233)",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepWithin: 30 * day}}},
			Facts{Tags: func() []Tag {
				all := tags("app", "v1", "v2", "v3")
				for i := range all {
					all[i].Pushed = time.Unix(0, 0)
				}
				return all
			}()}, nil, TimeUnknown},
		{"put back without times a hundred days ago",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepWithin: 30 * day}}},
			Facts{Tags: tags("app", "v1 2400h", "v2 2400h0m0.01s", "v3 2400h0m0.3s", "v4 2400h0m1.9s")}, nil, TimesLost},
		{"put back without times, and two pushed since: their order is known",
			last(2), Facts{Tags: tags("app", "new 1h", "newer 1m", "v1 2400h", "v2 2400h0m1s", "v3 2400h0m2s")}, []string{"v1", "v2", "v3"}, KeepLast},
		{"keep_last must not choose among what was put back",
			last(3), Facts{Tags: tags("app", "new 1h", "newer 1m", "v1 2400h", "v2 2400h0m1s", "v3 2400h0m2s")}, nil, KeepLast},
		{"a digest shared with a kept tag is deleted (harbor#8717)",
			last(1), Facts{Tags: tags("app", "v2 1h sha256:x", "latest 50h sha256:x", "v1 60h sha256:y")}, []string{"v1"}, Shared},
		{"what runs in production is expired (harbor#22026)",
			Policy{Rules: last(1).Rules, KeepRunning: true},
			Facts{Tags: tags("app", "v3", "v2", "v1"), Running: &Running{Digests: map[string]string{digestOf(1002): "web"}}}, []string{"v2"}, InUse},
		{"the same, by its name, whatever it was then",
			Policy{Rules: last(1).Rules, KeepRunning: true},
			Facts{Tags: tags("app", "v3", "v2", "v1"), Running: &Running{Tags: map[string]string{"app:v1": "web"}}}, []string{"v2"}, InUse},
		{"signatures count as tags and push out images, or go without theirs",
			last(2), Facts{Tags: tags("app", "sha256-"+strings.Repeat("a", 64)+".sig", "sha256-"+strings.Repeat("b", 64)+".att", "v2", "v1", "v0", "sha256-"+strings.Repeat("c", 64))},
			[]string{"v0"}, Companion},
		{"a clock that went back makes all tags of the future",
			last(1), Facts{Now: now.Add(-365 * day), Tags: tags("app", "v3", "v2", "v1")}, nil, TimeUnknown},
		{"what was just pushed was never pulled",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepPulledWithin: 7 * day}}},
			Facts{Pulls: now.Add(-30 * day), Tags: tags("app", "new 1m", "old 200h")}, []string{"old"}, KeepPulledWithin},
		{"the access log began yesterday: who pulled before that?",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepPulledWithin: 7 * day}}},
			Facts{Pulls: now.Add(-day), Tags: tags("app", "old 200h")}, nil, KeepPulledWithin},
		{"there is no access log",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepPulledWithin: 7 * day}}},
			Facts{Tags: tags("app", "old 200h")}, nil, KeepPulledWithin},
		{"a release candidate pushes out the last releases",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepSemver: Semver{Majors: 1, Minors: 1}}}},
			Facts{Tags: tags("app", "2.0.0-rc.1", "1.1.0", "1.0.0", "1.2.0-rc.1")}, []string{"1.0.0"}, KeepSemver},
		{"a build number is the newest major version",
			Policy{Rules: []Rule{{Repositories: everywhere, KeepSemver: Semver{Majors: 1}}}},
			Facts{Tags: tags("app", "20261124", "4711", "1.1.0", "v0.9.0", "latest")}, []string{"v0.9.0"}, NoRule},
		{"immutable tags",
			Policy{Rules: last(1).Rules, Immutable: []string{"app:v*"}},
			Facts{Tags: tags("app", "new", "v1", "x")}, []string{"x"}, Immutable},
	} {
		p := plan(t, tt.p, tt.f)
		if got := gone(p); !slices.Equal(got, tt.gone) {
			t.Errorf("%s: gone are %v, want %v\n%s", tt.name, got, tt.gone, p)
		}
		if !slices.ContainsFunc(p.Decisions, func(d Decision) bool { return d.Why == tt.why }) {
			t.Errorf("%s: nothing is kept for %s:\n%s", tt.name, tt.why, p)
		}
	}
}

// Several rules about a tag: what one keeps stays.
func TestRulesAreAUnion(t *testing.T) {
	p := plan(t, Policy{Rules: []Rule{
		{Repositories: everywhere, KeepLast: 1},
		{Repositories: []string{"app"}, KeepTags: []string{"v*"}},
		{Repositories: []string{"app"}, Tags: []string{"ci-*"}, KeepWithin: 72 * time.Hour},
	}}, Facts{Tags: tags("app", "ci-9", "main", "ci-8", "ci-7", "v1", "old")})
	if got := gone(p); !slices.Equal(got, []string{"ci-7", "main", "old"}) {
		t.Errorf("gone are %v\n%s", got, p)
	}
	for name, text := range map[string]string{
		"ci-9": "one of the last 1, pushed 1d ago",
		"ci-8": "pushed 3d ago, within 3d",
		"v1":   "it is one of v*",
		"ci-7": "not kept by rules[0] (keep_last 1) nor rules[1] (keep_tags v*) nor rules[2] (keep_within 3d), pushed 4d ago",
		"main": "not kept by rules[0] (keep_last 1) nor rules[1] (keep_tags v*), pushed 2d ago",
	} {
		i := slices.IndexFunc(p.Decisions, func(d Decision) bool { return d.Name == name })
		if got := p.Decisions[i].Text; got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
}

func TestSemver(t *testing.T) {
	all := []string{"3.0.0", "v2.11.0", "2.9.1", "2.9.0", "2.9.1-alpine", "2.9.0-alpine", "2.10.0", "1.0.0", "1.0.1-rc.1", "4.0.0-rc.1",
		"2.12.0-rc.1", "2.10.1-rc.1", "3", "2", "1", "2.9", "2.10", "latest", "1.2.03"}
	for _, tt := range []struct {
		keep Semver
		gone string
	}{
		{Semver{Majors: 3}, ""},
		{Semver{Majors: 2}, "1 1.0.0 1.0.1-rc.1"},
		{Semver{Majors: 1}, "1 1.0.0 1.0.1-rc.1 2 2.10 2.10.0 2.10.1-rc.1 2.12.0-rc.1 2.9 2.9.0 2.9.0-alpine 2.9.1 2.9.1-alpine v2.11.0"},
		{Semver{Majors: 2, Minors: 2}, "1 1.0.0 1.0.1-rc.1 2.9 2.9.0 2.9.0-alpine 2.9.1 2.9.1-alpine"},
		{Semver{Minors: 1}, "2.10 2.10.0 2.10.1-rc.1 2.9 2.9.0 2.9.0-alpine 2.9.1 2.9.1-alpine"},
		{Semver{Patches: 1}, "2.9.0 2.9.0-alpine"},
	} {
		p := plan(t, Policy{Rules: []Rule{{Repositories: everywhere, KeepSemver: tt.keep}}}, Facts{Tags: tags("app", all...)})
		if got := strings.Join(gone(p), " "); got != tt.gone {
			t.Errorf("%s: gone are\n%s, want\n%s", tt.keep, got, tt.gone)
		}
	}
	// Where there are variants alone, they are the releases.
	p := plan(t, Policy{Rules: []Rule{{Repositories: everywhere, KeepSemver: Semver{Majors: 1}}}}, Facts{Tags: tags("app", "2.0.0-alpine", "1.0.0-alpine")})
	if got := gone(p); !slices.Equal(got, []string{"1.0.0-alpine"}) {
		t.Errorf("variants: gone are %v", got)
	}
}

func TestConsent(t *testing.T) {
	many := func(repository string, n int) (all []Tag) {
		for i := range n {
			all = append(all, tags(repository, fmt.Sprintf("t%d %dh", i, i+1))...)
		}
		for i := range all {
			all[i].Digest = digestOf(i)
		}
		return all
	}
	rule := func(r Rule) []Rule { r.Repositories = everywhere; return []Rule{r} }
	for _, tt := range []struct {
		name string
		p    Policy
		tags []Tag
		want string
	}{
		{"half", Policy{Rules: rule(Rule{KeepLast: 5}), MaxDelete: 50}, many("a", 10), ""},
		{"more than half", Policy{Rules: rule(Rule{KeepLast: 4}), MaxDelete: 50}, many("a", 10), "retention would delete 6 of 10 tags, more than 50 %"},
		{"none allowed", Policy{Rules: rule(Rule{KeepLast: 9})}, many("a", 10), "retention would delete 1 of 10 tags, more than 0 %"},
		{"all allowed", Policy{Rules: rule(Rule{KeepLast: 1}), MaxDelete: 100}, many("a", 10), ""},
		{"a whole repository", Policy{Rules: rule(Rule{KeepWithin: 2 * day}), MaxDelete: 50}, slices.Concat(many("a", 10), tags("b", "old 500h", "older 600h")),
			"retention would delete every tag of b"},
		{"both", Policy{Rules: rule(Rule{KeepWithin: time.Minute}), MaxDelete: 50}, slices.Concat(many("a", 2), many("b", 2), many("c", 2), many("d", 1)),
			"retention would delete 7 of 7 tags, more than 50 %, and every tag of a, b, c and 1 more"},
		{"but for its signatures", Policy{Rules: rule(Rule{KeepWithin: time.Minute}), MaxDelete: 100}, tags("a", "v1", "sha256-"+strings.Repeat("a", 64)+".sig"),
			"retention would delete every tag of a"},
		{"nothing there", Policy{Rules: rule(Rule{KeepLast: 1})}, nil, ""},
		{"no rules", Policy{MaxDelete: 0}, many("a", 3), ""},
	} {
		err := plan(t, tt.p, Facts{Tags: tt.tags}).Consent()
		var asked *ConsentError
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		} else if !errors.As(err, &asked) || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestRunningUnknown(t *testing.T) {
	f := Facts{Now: now, Tags: tags("app", "v1")}
	p := Policy{KeepRunning: true, Rules: []Rule{{Repositories: everywhere, KeepLast: 1}}}
	if made, err := Make(p, f); made != nil || !errors.Is(err, ErrRunningUnknown) {
		t.Errorf("%v, %v", made, err)
	}
	p.Rules = nil
	if _, err := Make(p, f); err != nil {
		t.Errorf("without rules: %v", err)
	}
}
