package users

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPattern is the longest pattern, in bytes: no repository has a longer name
// (distribution/reference, NameTotalLengthMax).
const MaxPattern = 255

// everything is the component that stands for any number of them.
const everything = "**"

// CheckPattern returns an *InputError unless pattern names repositories: one
// ("team/app"), or several by '*' within a component ("team/app-*") and by "**"
// in the place of components ("team/**" is everything below team/, "**" every
// repository). What could never match a repository is refused as well: it is a
// slip of somebody who believes to have given a right.
func CheckPattern(pattern string) error {
	why := patternFault(pattern)
	if why == "" {
		return nil
	}
	if pattern == "" {
		return &InputError{"pattern", why}
	}
	if meant := meantPattern(pattern); meant != "" {
		why += fmt.Sprintf(", did you mean %q", meant)
	}
	return &InputError{"pattern", fmt.Sprintf("%s %s", quoted(pattern), why)}
}

// patternFault says what is wrong with a pattern, "" for nothing.
func patternFault(pattern string) string {
	switch {
	case pattern == "":
		return `is empty; every repository is "**"`
	case len(pattern) > MaxPattern:
		return fmt.Sprintf("has %d bytes, at most %d are possible", len(pattern), MaxPattern)
	case strings.Contains(pattern, "://"):
		return "is a URL: a pattern begins with the repository's name"
	case strings.HasPrefix(pattern, "/"):
		return "begins with a slash, which no repository name does"
	case strings.HasSuffix(pattern, "/"):
		return "ends with a slash, which no repository name does"
	}
	for component := range strings.SplitSeq(pattern, "/") {
		if why := componentFault(component); why != "" {
			return why
		}
	}
	return ""
}

func componentFault(component string) string {
	if component == "" {
		return "has two slashes in a row"
	}
	if component == everything {
		return ""
	}
	useful := false
	for i, c := range []byte(component) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '*':
			useful = true
		case c == '.' || c == '_' || c == '-':
		case c >= 'A' && c <= 'Z':
			return fmt.Sprintf("has %q in it, and repository names are lower case", c)
		case c == ':' || c == '@':
			return fmt.Sprintf("has %q in it: rights are for whole repositories, without a tag, a digest or the registry's host", c)
		default:
			r, _ := utf8.DecodeRuneInString(component[i:])
			return fmt.Sprintf("has %q in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible", r)
		}
	}
	if strings.Contains(component, everything) {
		return `has "**" beside other characters; it stands alone between slashes`
	}
	if !useful {
		return fmt.Sprintf("has the component %q, which is in no repository's name", component)
	}
	return ""
}

// meantPattern guesses what somebody meant by a pattern with a fault, "" for no
// idea. A guess is never more than a part of a message.
func meantPattern(pattern string) string {
	if len(pattern) > MaxPattern {
		return ""
	}
	meant := strings.ToLower(pattern)
	if strings.HasSuffix(meant, "/") {
		meant += everything
	}
	meant = strings.TrimLeft(meant, "/")
	for strings.Contains(meant, "//") {
		meant = strings.ReplaceAll(meant, "//", "/")
	}
	if prefix, ok := strings.CutSuffix(meant, everything); ok && prefix != "" && !strings.HasSuffix(prefix, "/") {
		meant = prefix + "/" + everything // team** for team/**
	}
	if patternFault(meant) != "" {
		return ""
	}
	return meant
}

// Matches tells whether a pattern that [CheckPattern] took has a repository
// among those it names. The front door judges by the same rules (rights.js under
// templates): '*' is any number of characters of a component, also none; "**"
// at the end is one component or more, elsewhere also none.
func Matches(pattern, repository string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(repository, "/")
	p, h := 0, 0
	// Of several "**" only the last one met can be the one to grow: whatever an
	// earlier one took, the later one could take as well. So nothing is tried
	// twice, and no pattern is slow.
	star, mark := -1, 0
	for h < len(have) {
		switch {
		case p < len(want) && want[p] == everything:
			if p == len(want)-1 {
				return true
			}
			star, mark = p, h
			p++
		case p < len(want) && matchesComponent(want[p], have[h]):
			p++
			h++
		case star >= 0:
			mark++
			p, h = star+1, mark
		default:
			return false
		}
	}
	return p == len(want)
}

// matchesComponent is Matches for one component, by characters.
func matchesComponent(want, have string) bool {
	p, h, star, mark := 0, 0, -1, 0
	for h < len(have) {
		switch {
		case p < len(want) && want[p] == '*':
			star, mark = p, h
			p++
		case p < len(want) && want[p] == have[h]:
			p++
			h++
		case star >= 0:
			mark++
			p, h = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(want[p:], "*") == ""
}

// quoted quotes what somebody wrote, cut to what a message can bear.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}
