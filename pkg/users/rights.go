package users

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/pattern"
)

// Rights is what a user may do, by repository. The zero Rights are none: such a
// user may log in and nothing else.
type Rights struct {
	Pull    []string   // patterns, see [CheckPattern]
	Push    []string   // a pusher may also ask whether something is there, not fetch it
	Delete  []string   // tags, manifests and blobs
	Admin   bool       // everything everywhere, and the list of all repositories
	Expires *time.Time // the user can log in before it only; nil is for ever
}

// DefaultRights is for a user of whom nothing else is said: pull and push
// everywhere, as the registry itself lets every user do, but not delete.
func DefaultRights() Rights {
	return Rights{Pull: []string{pattern.All}, Push: []string{pattern.All}}
}

// The verbs of a right in the order in which they are shown, as in the file.
const (
	verbPull   = "pull"
	verbPush   = "push"
	verbDelete = "delete"
)

// list is one verb with its patterns.
type list struct {
	verb     string
	patterns *[]string
}

func (r *Rights) lists() [3]list {
	return [3]list{{verbPull, &r.Pull}, {verbPush, &r.Push}, {verbDelete, &r.Delete}}
}

// None tells whether the rights let nothing be done.
func (r Rights) None() bool {
	return !r.Admin && len(r.Pull)+len(r.Push)+len(r.Delete) == 0
}

// Expired tells whether the user's time was over at now.
func (r Rights) Expired(now time.Time) bool { return r.Expires != nil && !now.Before(*r.Expires) }

// CanPush tells whether the rights let one push to a repository.
func (r Rights) CanPush(repository string) bool {
	return r.Admin || slices.ContainsFunc(r.Push, func(p string) bool { return pattern.Matches(p, repository) })
}

// Check returns an *InputError for a pattern that is none, or a time that the
// file cannot hold.
func (r Rights) Check() error {
	for _, l := range r.lists() {
		for _, pattern := range *l.patterns {
			if err := CheckPattern(pattern); err != nil {
				return err
			}
		}
	}
	if r.Expires != nil && !inRange(*r.Expires) {
		return &InputError{"expiry", "is not between the years 1970 and 9999"}
	}
	return nil
}

// Equal tells whether two rights are the same in the file.
func (r Rights) Equal(other Rights) bool {
	a, b := r.lists(), other.lists()
	for i := range a {
		if !slices.Equal(*a[i].patterns, *b[i].patterns) {
			return false
		}
	}
	sameEnd := r.Expires == nil && other.Expires == nil ||
		r.Expires != nil && other.Expires != nil && r.Expires.Truncate(time.Second).Equal(other.Expires.Truncate(time.Second))
	return r.Admin == other.Admin && sameEnd
}

// Plus returns r with the rights in more added. An expiry in more replaces that
// of r, none leaves it.
func (r Rights) Plus(more Rights) Rights {
	out := r.clone()
	to, from := out.lists(), more.lists()
	for i := range to {
		for _, pattern := range *from[i].patterns {
			if !slices.Contains(*to[i].patterns, pattern) {
				*to[i].patterns = append(*to[i].patterns, pattern)
			}
		}
	}
	out.Admin = r.Admin || more.Admin
	if more.Expires != nil {
		out.Expires = more.Expires
	}
	return out
}

// Minus returns r without the rights in less, and r's expiry. A pattern is taken
// away as it was given: r must have it, or a *NotGrantedError is returned, since
// "team/app" cannot be taken out of "team/**" and whoever tries believes that
// it was.
func (r Rights) Minus(less Rights) (Rights, error) {
	out := r.clone()
	from, what, has := out.lists(), less.lists(), r.lists()
	for i := range from {
		for _, pattern := range *what[i].patterns {
			if !slices.Contains(*has[i].patterns, pattern) {
				return r, &NotGrantedError{Verb: has[i].verb, Pattern: pattern, Has: r}
			}
			// Each time it is there: a file written by hand may repeat it.
			*from[i].patterns = slices.DeleteFunc(*from[i].patterns, func(p string) bool { return p == pattern })
		}
	}
	if less.Admin {
		if !r.Admin {
			return r, &NotGrantedError{Verb: "admin", Has: r}
		}
		out.Admin = false
	}
	return out, nil
}

func (r Rights) clone() Rights {
	out := r
	for _, l := range out.lists() {
		*l.patterns = slices.Clone(*l.patterns)
	}
	return out
}

// NotGrantedError says that a right cannot be taken away, since it was not
// given.
type NotGrantedError struct {
	Verb    string // pull, push, delete or admin
	Pattern string // "" with admin
	Has     Rights // what the user has
}

func (e *NotGrantedError) Error() string {
	right := strings.TrimSpace(e.Verb + " " + e.Pattern)
	return fmt.Sprintf("has no right %q to take away, but: %s", right, e.Has)
}

// String says the rights in one line: "pull **, push team/** a, until
// 2026-12-01T00:00:00Z", "admin", "no rights".
func (r Rights) String() string {
	var parts []string
	if r.Admin {
		parts = append(parts, "admin")
	}
	for _, l := range r.lists() {
		if len(*l.patterns) > 0 {
			parts = append(parts, l.verb+" "+strings.Join(*l.patterns, " "))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "no rights")
	}
	if r.Expires != nil {
		parts = append(parts, "until "+r.Expires.UTC().Format(timeForm))
	}
	return strings.Join(parts, ", ")
}
