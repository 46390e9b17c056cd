package users

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestCheckPattern(t *testing.T) {
	for _, good := range []string{
		"**", "*", "team/**", "team/app", "team/*", "team/app-*", "*/app", "**/app", "team/**/app", "a", "0",
		"a.b_c-d", "*-*", "a*b*c", "**/**", strings.Repeat("a", MaxPattern),
	} {
		if err := CheckPattern(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                    `pattern is empty; every repository is "**"`,
		"Team/App":            `pattern "Team/App" has 'T' in it, and repository names are lower case, did you mean "team/app"`,
		"/team":               `pattern "/team" begins with a slash, which no repository name does, did you mean "team"`,
		"team/":               `pattern "team/" ends with a slash, which no repository name does, did you mean "team/**"`,
		"/":                   `pattern "/" begins with a slash, which no repository name does, did you mean "**"`,
		"team//app":           `pattern "team//app" has two slashes in a row, did you mean "team/app"`,
		"team**":              `pattern "team**" has "**" beside other characters; it stands alone between slashes, did you mean "team/**"`,
		"**app":               `pattern "**app" has "**" beside other characters; it stands alone between slashes`,
		"***":                 `pattern "***" has "**" beside other characters; it stands alone between slashes, did you mean "*/**"`,
		"team/app:latest":     `pattern "team/app:latest" has ':' in it: rights are for whole repositories, without a tag, a digest or the registry's host`,
		"localhost:5000/app":  `pattern "localhost:5000/app" has ':' in it: rights are for whole repositories, without a tag, a digest or the registry's host`,
		"https://reg.org/app": `pattern "https://reg.org/app" is a URL: a pattern begins with the repository's name`,
		"team/?":              `pattern "team/?" has '?' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team/äpp":            `pattern "team/äpp" has 'ä' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team,app":            `pattern "team,app" has ',' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team\napp":           `pattern "team\napp" has '\n' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		" team":               `pattern " team" has ' ' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team/../app":         `pattern "team/../app" has the component "..", which is in no repository's name`,
		"./app":               `pattern "./app" has the component ".", which is in no repository's name`,
	} {
		err := CheckPattern(bad)
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", bad, err, want)
		}
	}
	if err := CheckPattern(strings.Repeat("a", MaxPattern+1)); err == nil || len(err.Error()) > 200 {
		t.Errorf("a pattern that is too long: %v", err)
	}
}

func TestMatches(t *testing.T) {
	for pattern, tc := range map[string]struct{ yes, no []string }{
		"**":          {[]string{"a", "a/b", "a/b/c"}, nil},
		"team/**":     {[]string{"team/a", "team/a/b"}, []string{"team", "teams/a", "a/team/b", "xteam/a"}},
		"team/app":    {[]string{"team/app"}, []string{"team", "team/app/x", "team/apps", "app"}},
		"*":           {[]string{"a", "team"}, []string{"a/b"}},
		"team/*":      {[]string{"team/a"}, []string{"team", "team/a/b"}},
		"team/app-*":  {[]string{"team/app-", "team/app-1"}, []string{"team/app", "team/app-1/x"}},
		"*/app":       {[]string{"a/app"}, []string{"app", "a/b/app"}},
		"**/app":      {[]string{"app", "a/app", "a/b/app"}, []string{"a", "app/a", "xapp"}},
		"a/**/z":      {[]string{"a/z", "a/b/z", "a/z/z", "a/z/b/z"}, []string{"a", "z", "a/b", "a/zz", "b/a/z"}},
		"a/**/b/**/c": {[]string{"a/b/c", "a/x/b/y/c", "a/b/b/c", "a/b/c/c"}, []string{"a/c", "a/b", "a/c/b"}},
		"**/**":       {[]string{"a", "a/b"}, nil},
		"a*b*c":       {[]string{"abc", "axbxc", "abbc", "abcbc"}, []string{"ab", "acb", "abcd"}},
	} {
		for _, name := range tc.yes {
			if !Matches(pattern, name) {
				t.Errorf("%q does not match %q", pattern, name)
			}
		}
		for _, name := range tc.no {
			if Matches(pattern, name) {
				t.Errorf("%q matches %q", pattern, name)
			}
		}
	}
}

// A pattern of many stars against a name that it just misses: with backtracking
// this takes for ever.
func TestNoPatternIsSlow(t *testing.T) {
	name := strings.TrimSuffix(strings.Repeat("a/", 127), "/")
	began := time.Now()
	for _, pattern := range []string{
		strings.Repeat("**/a/", 50) + "b", strings.Repeat("*a", 100) + "/b", strings.Repeat("**/", 80) + "*b",
	} {
		if Matches(pattern, name) {
			t.Errorf("%q matches", pattern)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
}

// asRegexp is a pattern written as a regular expression: what Matches is
// measured against.
func asRegexp(pattern string) *regexp.Regexp {
	components := strings.Split(pattern, "/")
	var b strings.Builder
	b.WriteString("^")
	for i, c := range components {
		last := i == len(components)-1
		switch {
		case c == "**" && last:
			b.WriteString(`[^/]*(/[^/]*)*`)
		case c == "**":
			b.WriteString(`([^/]*/)*`)
		default:
			b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(c), `\*`, `[^/]*`))
			if !last {
				b.WriteString("/")
			}
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

func FuzzMatches(f *testing.F) {
	for _, seed := range [][2]string{
		{"**", "a"}, {"team/**", "team/a/b"}, {"a/**/b/**/c", "a/b/x/b/c"}, {"a*b*c", "abcbc"}, {"*/x*", "a/xx"}, {"Team/", "team"}, {"**/a", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		err := CheckPattern(pattern)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: the message is not one line: %q", pattern, err)
			}
			if meant := meantPattern(pattern); meant != "" && CheckPattern(meant) != nil {
				t.Fatalf("%q: advises %q, which is no pattern either", pattern, meant)
			}
			return
		}
		if len(name) > 200 || name == "" || strings.ContainsAny(name, "\n\r") {
			return
		}
		if got, want := Matches(pattern, name), asRegexp(pattern).MatchString(name); got != want {
			t.Fatalf("Matches(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}
