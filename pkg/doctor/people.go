package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Costs of bcrypt: what generated passwords get (pkg/users), and the least for one
// that a person chose.
const (
	generatedCost = 5
	leastCost     = 10
)

// neverSeen is how far back the access log has to reach before it says anything
// about a user who is not in it.
const neverSeen = 30 * 24 * time.Hour

// weak tells whether a line has a hash that is a finding of its own.
func (f *Facts) weak(line int) bool {
	return slices.ContainsFunc(f.Users.List, func(u User) bool { return u.Line == line && weakScheme(u.Scheme) })
}

// plainName is what regctl takes for a user's name. Another one is not put into a
// command that is to be copied.
var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// userCommand is the command on a user that mends a finding: user rm, say.
func userCommand(command, name string) string {
	if !plainName.MatchString(name) {
		name = "NAME"
	}
	return "regctl user " + command + " " + name + "{dir}"
}

func weakScheme(s string) bool { return s == "apr1" || s == "sha1" || s == "crypt" }

func userChecks() []Check {
	each := func(command string, is func(*Facts, User) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.Users == nil {
				return nil
			}
			var out []sighting
			for _, u := range f.Users.List {
				if seen := is(f, u); seen != "" {
					out = append(out, sighting{seen: "user " + u.Name + " " + seen, mend: userCommand(command, u.Name)})
				}
			}
			return out
		}
	}
	faults := func(fatal bool) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.Users == nil {
				return nil
			}
			var out []sighting
			for _, x := range f.Users.Faults {
				if x.Fatal == fatal && !f.weak(x.Line) {
					s := sighting{seen: fmt.Sprintf("line %d of auth/htpasswd %s", x.Line, x.Message)}
					if i := slices.IndexFunc(f.Users.List, func(u User) bool { return u.Line == x.Line }); i >= 0 && !fatal {
						s.mend = userCommand("passwd", f.Users.List[i].Name) + " writes it anew; or remove the line"
					}
					out = append(out, s)
				}
			}
			return out
		}
	}
	return []Check{
		{ID: "RC070", Severity: Error, Title: "the user file cannot be read",
			Why:  "a registry that starts without one lets nobody in",
			Mend: "regctl up{dir} begins one where there is none; else look at its owner and mode",
			look: func(f *Facts) []sighting {
				switch u := f.Users; {
				case u == nil || u.Error == "" && !u.Missing:
					return nil
				case u.Missing:
					return saw("auth/htpasswd is missing")
				default:
					return saw("%s", u.Error)
				}
			}},
		{ID: "RC071", Severity: Error, Title: "a line of the user file makes the registry refuse all of it",
			Why:  "who was removed still gets in, who was added does not; after a restart nobody does",
			Mend: "correct or remove the line in auth/htpasswd",
			look: faults(true)},
		{ID: "RC072", Severity: Warning, Title: "a line of the user file is not as it should be",
			Why:  "its user cannot log in, or not as was meant",
			Mend: "regctl user passwd NAME{dir} writes it anew; or remove the line",
			look: faults(false)},
		{ID: "RC073", Severity: Warning, Title: "a password's hash is weak",
			Why:  "who gets the file can guess passwords fast; the registry itself takes bcrypt only, so such a user cannot log in",
			Mend: "regctl user passwd NAME{dir}",
			look: each("passwd", func(_ *Facts, u User) string {
				switch {
				case weakScheme(u.Scheme):
					return "has a hash of type " + u.Scheme
				case u.Scheme == "bcrypt" && u.Cost < leastCost && u.Cost != generatedCost:
					return fmt.Sprintf("has bcrypt of cost %d; it should be %d at least for a password that a person chose", u.Cost, leastCost)
				}
				return ""
			})},
		{ID: "RC074", Severity: Error, Title: "nobody can log in",
			Why:  "there is no user",
			Mend: "regctl user add NAME{dir}",
			look: func(f *Facts) []sighting {
				if u := f.Users; u == nil || u.Error != "" || u.Missing || len(u.List) > 0 {
					return nil
				}
				return saw("auth/htpasswd has no user")
			}},
		{ID: "RC075", Severity: Note, Title: "a user's time is over",
			Why:  "it cannot log in any more, and its entry is of no use",
			Mend: "regctl user rm NAME{dir}",
			look: each("rm", func(f *Facts, u User) string {
				if u.Expires == nil || f.Now.Before(*u.Expires) {
					return ""
				}
				return "expired on " + u.Expires.UTC().Format(time.DateOnly)
			})},
		{ID: "RC076", Severity: Note, Title: "a user was never seen",
			Why:  "a password that nobody uses is one more that can be lost",
			Mend: "regctl user rm NAME{dir}",
			look: each("rm", func(f *Facts, u User) string {
				if f.Users.Seen == nil || f.Now.Sub(f.Users.LogSince) < neverSeen {
					return ""
				}
				if _, seen := f.Users.Seen[u.Name]; seen {
					return ""
				}
				return "is not in the access log, which begins on " + f.Users.LogSince.UTC().Format(time.DateOnly)
			})},
		{ID: "RC077", Severity: Note, Title: "there are rights of somebody who is no user",
			Why:  "a new user of that name replaces them; until then they are nobody's",
			Mend: "regctl user rm NAME{dir} takes them away",
			look: func(f *Facts) []sighting {
				var out []sighting
				if f.Users == nil {
					return nil
				}
				for _, name := range f.Users.Strays {
					out = append(out, sighting{seen: name + " has rights, and no password", mend: userCommand("rm", name) + " takes them away"})
				}
				return out
			}},
		{ID: "RC078", Severity: Error, Title: "the rights file cannot be used",
			Why:  "the front door goes on with the rights it had; after a restart nobody has any",
			Mend: "correct auth/rights.json; regctl up{dir} writes one where there is none",
			look: func(f *Facts) []sighting {
				if f.Users == nil || f.Users.RightsError == "" {
					return nil
				}
				return saw("%s", f.Users.RightsError)
			}},
	}
}
