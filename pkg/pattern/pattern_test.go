package pattern

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{
		"**", "*", "team/**", "team/app", "team/*", "team/app-*", "*/app", "**/app", "team/**/app", "a", "0",
		"a.b_c-d", "*-*", "a*b*c", "**/**", strings.Repeat("a", Max),
	} {
		if err := Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                    `is empty; every repository is "**"`,
		"Team/App":            `"Team/App" has 'T' in it, and repository names are lower case, did you mean "team/app"`,
		"/team":               `"/team" begins with a slash, which no repository name does, did you mean "team"`,
		"team/":               `"team/" ends with a slash, which no repository name does, did you mean "team/**"`,
		"/":                   `"/" begins with a slash, which no repository name does, did you mean "**"`,
		"team//app":           `"team//app" has two slashes in a row, did you mean "team/app"`,
		"team**":              `"team**" has "**" beside other characters; it stands alone between slashes, did you mean "team/**"`,
		"**app":               `"**app" has "**" beside other characters; it stands alone between slashes`,
		"***":                 `"***" has "**" beside other characters; it stands alone between slashes, did you mean "*/**"`,
		"team/app:latest":     `"team/app:latest" has ':' in it: a pattern names whole repositories, without a tag, a digest or the registry's host`,
		"localhost:5000/app":  `"localhost:5000/app" has ':' in it: a pattern names whole repositories, without a tag, a digest or the registry's host`,
		"https://reg.org/app": `"https://reg.org/app" is a URL: a pattern begins with the repository's name`,
		"team/?":              `"team/?" has '?' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team/äpp":            `"team/äpp" has 'ä' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team,app":            `"team,app" has ',' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team\napp":           `"team\napp" has '\n' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		" team":               `" team" has ' ' in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible`,
		"team/../app":         `"team/../app" has the component "..", which is in no repository's name`,
		"./app":               `"./app" has the component ".", which is in no repository's name`,
	} {
		err := Check(bad)
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", bad, err, want)
		}
	}
	if err := Check(strings.Repeat("a", Max+1)); err == nil || len(err.Error()) > 200 {
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
	if took := time.Since(began); took > 20*time.Second {
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
		err := Check(pattern)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: the message is not one line: %q", pattern, err)
			}
			if guess := meant(pattern); guess != "" && Check(guess) != nil {
				t.Fatalf("%q: advises %q, which is no pattern either", pattern, guess)
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

func TestTags(t *testing.T) {
	for pattern, tc := range map[string]struct{ yes, no []string }{
		"*":      {[]string{"latest", "v1.2", "_"}, nil},
		"v*":     {[]string{"v", "v1.0-rc.1"}, []string{"1.0", "V1"}},
		"latest": {[]string{"latest"}, []string{"latest-1", "Latest"}},
		"*-*":    {[]string{"a-b", "-"}, []string{"ab"}},
		"1.*.0":  {[]string{"1.2.0", "1..0"}, []string{"1.0", "1.2.0.1"}},
	} {
		if err := CheckTag(pattern); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
		for _, tag := range tc.yes {
			if !MatchesTag(pattern, tag) || !MatchesTagged("team/**:"+pattern, "team/app", tag) {
				t.Errorf("%q does not match %q", pattern, tag)
			}
		}
		for _, tag := range tc.no {
			if MatchesTag(pattern, tag) || MatchesTagged("**:"+pattern, "team/app", tag) {
				t.Errorf("%q matches %q", pattern, tag)
			}
		}
		if MatchesTagged("team/**:"+pattern, "app", tc.yes[0]) {
			t.Errorf("%q matches in another repository", pattern)
		}
	}
	for bad, want := range map[string]string{
		"":                        `is empty; every tag is "*"`,
		".x":                      `begins with '.'`,
		"-x":                      `begins with '-'`,
		"a/b":                     `has '/' in it`,
		"a:b":                     `has ':' in it`,
		"é":                       `has 'é' in it`,
		"a b":                     `has ' ' in it`,
		strings.Repeat("x", 129):  "has 129 bytes",
		"sha256:0123456789abcdef": `has ':' in it`,
	} {
		if err := CheckTag(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}
