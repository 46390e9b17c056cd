package templates

import (
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	vm, module := script(t, "rights.js")
	matches := function(t, vm, module, "matches")
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"**", "a", true}, {"**", "a/b/c", true},
		{"team/**", "team/app", true}, {"team/**", "team/a/b", true}, {"team/**", "team", false}, {"team/**", "teams/app", false},
		{"team/app", "team/app", true}, {"team/app", "team/app/x", false}, {"team/app", "team/apps", false},
		{"*", "a", true}, {"*", "a/b", false},
		{"team/*", "team/app", true}, {"team/*", "team/a/b", false},
		{"**/app", "app", true}, {"**/app", "a/b/app", true}, {"**/app", "app/x", false},
		{"a/**/b", "a/x/b", true}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/x", false},
		{"rel-*-x", "rel-1-x", true}, {"rel-*-x", "rel--x", true}, {"rel-*-x", "rel-1-y", false},
		{"a.b", "a.b", true}, {"a.b", "axb", false},
		{"", "a", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q on %q: %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

// model is the same meaning, said in another way: as a regular expression.
func model(pattern, name string) bool {
	parts := strings.Split(pattern, "/")
	var b strings.Builder
	b.WriteString("^")
	for i, p := range parts {
		last := i == len(parts)-1
		switch {
		case p == "**" && last:
			b.WriteString(".+")
		case p == "**":
			b.WriteString("(?:[^/]+/)*")
		default:
			b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `[^/]*`))
			if !last {
				b.WriteString("/")
			}
		}
	}
	return regexp.MustCompile(b.String() + "$").MatchString(name)
}

func TestMatchesAgreesWithModel(t *testing.T) {
	vm, module := script(t, "rights.js")
	matches := function(t, vm, module, "matches")
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(words ...string) string {
		parts := make([]string, 1+random.IntN(4))
		for i := range parts {
			parts[i] = words[random.IntN(len(words))]
		}
		return path.Join(parts...)
	}
	yes := 0
	for range 200_000 {
		pattern, name := pick("a", "b", "*", "**", "a*", "*b", "a*b"), pick("a", "b", "ab", "aab", "ba")
		got, want := matches(pattern, name).(bool), model(pattern, name)
		if got != want {
			t.Fatalf("%q on %q: %v, the model says %v", pattern, name, got, want)
		}
		if got {
			yes++
		}
	}
	if yes < 10_000 {
		t.Errorf("only %d pairs matched: the test compares nothing", yes)
	}
}

// No pattern that a person can write makes the matching slow.
func TestMatchesIsNotExponential(t *testing.T) {
	vm, module := script(t, "rights.js")
	matches := function(t, vm, module, "matches")
	if matches(strings.Repeat("*a", 100), strings.Repeat("a", 200)+"b") != false {
		t.Error("matched")
	}
	if matches(strings.Repeat("**/", 12)+"x", strings.Repeat("a/", 120)+"b") != false {
		t.Error("matched")
	}
}

func TestAllows(t *testing.T) {
	vm, module := script(t, "rights.js")
	allows := function(t, vm, module, "allows")
	rights := map[string]any{"pull": []string{"pub/**"}, "push": []string{"team/**"}, "delete": []string{"team/tmp"}}
	for _, c := range []struct {
		verb, name string
		head, want bool
	}{
		{"", "", false, true}, {"admin", "", false, false},
		{"pull", "pub/a", false, true}, {"pull", "team/a", false, false}, {"pull", "team/a", true, true}, {"pull", "x", true, false},
		{"push", "team/a", false, true}, {"push", "pub/a", false, false},
		{"delete", "team/tmp", false, true}, {"delete", "team/a", false, false}, {"delete", "pub/a", true, false},
	} {
		if got := allows(rights, c.verb, c.name, c.head); got != c.want {
			t.Errorf("%s %s head=%v: %v, want %v", c.verb, c.name, c.head, got, c.want)
		}
	}
	for _, verb := range []string{"", "pull", "push", "delete", "admin"} {
		if allows(map[string]any{"admin": true}, verb, "any/thing", false) != true {
			t.Errorf("admin may not %s", verb)
		}
		if allows(map[string]any{}, verb, "any/thing", true) != (verb == "") {
			t.Errorf("nobody's rights: %s", verb)
		}
	}
}

func TestImmutable(t *testing.T) {
	vm, module := script(t, "rights.js")
	immutable := function(t, vm, module, "immutable")
	rules := []string{"release/**:v*", "base:*"}
	for _, c := range []struct {
		name, tag string
		want      bool
	}{
		{"release/app", "v1", true}, {"release/app", "dev", false}, {"other/app", "v1", false}, {"base", "anything", true}, {"release", "v1", false},
	} {
		if got := immutable(rules, c.name, c.tag); got != c.want {
			t.Errorf("%s:%s: %v, want %v", c.name, c.tag, got, c.want)
		}
	}
}
