//go:build integration

package integration

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// allowance is what a user may do, as the model of these tests knows it. The
// model shares no code with pkg/users nor with the scripts of Nginx.
type allowance struct {
	admin             bool
	pull, push, erase []string
	ended             bool // its time is over
	byHand            bool // it is in the user file alone
}

// flags are those of `regctl user add` that give it.
func (a allowance) flags() []string {
	var out []string
	if a.admin {
		out = append(out, "--admin")
	}
	for flag, patterns := range map[string][]string{"--pull": a.pull, "--push": a.push, "--delete": a.erase} {
		for _, p := range patterns {
			out = append(out, flag, p)
		}
	}
	if a.ended {
		out = append(out, "--expires", "1s")
	}
	return out
}

// covers tells whether one of the patterns names a repository.
func covers(patterns []string, repo string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return patternExpression(p).MatchString(repo) })
}

// patternExpression writes a pattern as a regular expression, which the product
// does not: "**" at the end is one component or more, elsewhere any number, and
// a star is any text within one.
func patternExpression(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "/")
	var b strings.Builder
	for i, part := range parts {
		switch {
		case part == "**" && i == len(parts)-1:
			b.WriteString(".+")
		case part == "**":
			b.WriteString("([^/]+/)*")
		default:
			b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(part), `\*`, "[^/]*"))
			if i < len(parts)-1 {
				b.WriteString("/")
			}
		}
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// op is one request: a form of path, a method, and what it is about.
type op struct {
	form, method string
	repo, ref    string
	query        string
	body         string
	headers      []header
}

func (o op) path() string {
	repo := "/v2/" + o.repo
	switch o.form {
	case "base":
		repo = "/v2/"
	case "catalog":
		repo = "/v2/_catalog"
	case "tags":
		repo += "/tags/list"
	case "manifest":
		repo += "/manifests/" + o.ref
	case "blob":
		repo += "/blobs/" + o.ref
	case "referrers":
		repo += "/referrers/" + o.ref
	case "start":
		repo += "/blobs/uploads/"
	case "session":
		repo += "/blobs/uploads/" + o.ref
	default:
		panic("no form " + o.form)
	}
	if o.query != "" {
		repo += "?" + o.query
	}
	return repo
}

// needed is the right that a request takes, by form and method. What is not in
// it is no part of the API.
var needed = map[string]map[string]string{
	"base":      {"GET": "password", "HEAD": "password"},
	"catalog":   {"GET": "admin", "HEAD": "admin"},
	"tags":      {"GET": "pull", "HEAD": "pull"},
	"referrers": {"GET": "pull", "HEAD": "pull"},
	"manifest":  {"GET": "pull", "HEAD": "pull", "PUT": "push", "DELETE": "delete"},
	"blob":      {"GET": "pull", "HEAD": "pull", "DELETE": "delete"},
	"start":     {"POST": "push"},
	"session":   {"GET": "push", "HEAD": "push", "PATCH": "push", "PUT": "push", "DELETE": "push"},
}

// served is what the registry answers to a request that is let through and
// about something that is there.
var served = map[string]map[string]int{
	"base":      {"GET": 200, "HEAD": 200},
	"catalog":   {"GET": 200, "HEAD": 405}, // both registries know GET alone
	"tags":      {"GET": 200, "HEAD": 405},
	"referrers": {"GET": 404, "HEAD": 404}, // neither registry has it
	"manifest":  {"GET": 200, "HEAD": 200, "PUT": 201, "DELETE": 202},
	"blob":      {"GET": 200, "HEAD": 200, "DELETE": 202},
	"start":     {"POST": 202},
	"session":   {"GET": 204, "HEAD": 204, "PATCH": 202, "PUT": 201, "DELETE": 204},
}

// verdict is how the front door has to answer.
type verdict struct {
	passes bool // to the registry, which answers with the status
	status int
	code   string
	says   []string // parts of the message
}

// judge is the model: what a person gets for a request. may is nil for who has
// no password.
func judge(name string, may *allowance, o op) verdict {
	if may == nil {
		return verdict{status: http.StatusUnauthorized, code: "UNAUTHORIZED"}
	}
	if may.ended {
		return verdict{status: http.StatusUnauthorized, code: "UNAUTHORIZED", says: []string{name, "ended on"}}
	}
	right, known := needed[o.form][o.method]
	if !known {
		return verdict{status: http.StatusMethodNotAllowed, code: "UNSUPPORTED", says: []string{o.method}}
	}
	allowed := may.admin
	switch right {
	case "password":
		allowed = true
	case "pull":
		// Who may push may ask whether something is there.
		allowed = allowed || covers(may.pull, o.repo) || o.method == "HEAD" && covers(may.push, o.repo)
	case "push":
		allowed = allowed || covers(may.push, o.repo)
	case "delete":
		allowed = allowed || covers(may.erase, o.repo)
	}
	if allowed {
		return verdict{passes: true}
	}
	says := []string{"user " + name + " ", "the right " + right}
	if right != "admin" {
		says = append(says, " on "+o.repo)
	}
	return verdict{status: http.StatusForbidden, code: "DENIED", says: says}
}
