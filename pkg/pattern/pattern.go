// Package pattern is how several repositories or tags are named at once: in
// rights, in what is immutable and in what retention keeps. The front door
// judges by the same rules (rights.js under templates).
package pattern

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Max is the longest pattern of repositories, in bytes: no repository has a
// longer name (distribution/reference, NameTotalLengthMax).
const Max = 255

// All is the component that stands for any number of them; alone, the pattern of
// every repository.
const All = "**"

// Check returns an error unless pattern names repositories: one ("team/app"), or
// several by '*' within a component ("team/app-*") and by "**" in the place of
// components ("team/**" is everything below team/, "**" every repository). What
// could never match a repository is refused as well: it is a slip of somebody
// who believes to have said something. The text quotes the pattern and ends in
// what may have been meant.
func Check(pattern string) error {
	why := fault(pattern)
	if why == "" {
		return nil
	}
	if pattern == "" {
		return errors.New(why)
	}
	if meant := meant(pattern); meant != "" {
		why += fmt.Sprintf(", did you mean %q", meant)
	}
	return fmt.Errorf("%s %s", quoted(pattern), why)
}

// fault says what is wrong with a pattern, "" for nothing.
func fault(pattern string) string {
	switch {
	case pattern == "":
		return `is empty; every repository is "**"`
	case len(pattern) > Max:
		return fmt.Sprintf("has %d bytes, at most %d are possible", len(pattern), Max)
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
	if component == All {
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
			return fmt.Sprintf("has %q in it: a pattern names whole repositories, without a tag, a digest or the registry's host", c)
		default:
			r, _ := utf8.DecodeRuneInString(component[i:])
			return fmt.Sprintf("has %q in it, only a-z, 0-9, '.', '_', '-', '/' and '*' are possible", r)
		}
	}
	if strings.Contains(component, All) {
		return `has "**" beside other characters; it stands alone between slashes`
	}
	if !useful {
		return fmt.Sprintf("has the component %q, which is in no repository's name", component)
	}
	return ""
}

// meant guesses what somebody meant by a pattern with a fault, "" for no
// idea. A guess is never more than a part of a message.
func meant(pattern string) string {
	if len(pattern) > Max {
		return ""
	}
	guess := strings.ToLower(pattern)
	if strings.HasSuffix(guess, "/") {
		guess += All
	}
	guess = strings.TrimLeft(guess, "/")
	for strings.Contains(guess, "//") {
		guess = strings.ReplaceAll(guess, "//", "/")
	}
	if prefix, ok := strings.CutSuffix(guess, All); ok && prefix != "" && !strings.HasSuffix(prefix, "/") {
		guess = prefix + "/" + All // team** for team/**
	}
	if fault(guess) != "" {
		return ""
	}
	return guess
}

// Matches tells whether a pattern that [Check] took has a repository among those
// it names: '*' is any number of characters of a component, also none; "**"
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
		case p < len(want) && want[p] == All:
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

// MaxTag is the longest tag, in bytes.
const MaxTag = 128

// CheckTag returns an error unless pattern names tags: one ("latest"), or several
// by '*' ("v1.*", "*").
func CheckTag(pattern string) error {
	switch {
	case pattern == "":
		return errors.New(`is empty; every tag is "*"`)
	case len(pattern) > MaxTag:
		return fmt.Errorf("%s has %d bytes, at most %d are possible", quoted(pattern), len(pattern), MaxTag)
	}
	for i, c := range []byte(pattern) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '*':
		case c == '.' || c == '-':
			if i == 0 {
				return fmt.Errorf("%s begins with %q, which no tag does", quoted(pattern), c)
			}
		default:
			r, _ := utf8.DecodeRuneInString(pattern[i:])
			return fmt.Errorf("%s has %q in it, only letters, digits, '.', '_', '-' and '*' are possible", quoted(pattern), r)
		}
	}
	return nil
}

// MatchesTag tells whether a pattern that [CheckTag] took has a tag among those
// it names.
func MatchesTag(pattern, tag string) bool { return matchesComponent(pattern, tag) }

// MatchesTagged tells whether a pattern REPOSITORY:TAG, as rules for immutable
// tags are, has a tag of a repository among those it names.
func MatchesTagged(pattern, repository, tag string) bool {
	repositories, tags, _ := strings.Cut(pattern, ":")
	return Matches(repositories, repository) && MatchesTag(tags, tag)
}

// quoted quotes what somebody wrote, cut to what a message can bear.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}
