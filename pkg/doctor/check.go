package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Severity is how much a finding matters.
type Severity string

// The severities. Errors and warnings need a person, notes do not.
const (
	Error   Severity = "error"   // the registry does not work, or its data is in danger
	Warning Severity = "warning" // it will break, or is weaker than it should be
	Note    Severity = "note"    // worth knowing
)

// Check is one thing that can be wrong with a deployment.
type Check struct {
	ID       string // RC and three digits; never given to another check
	Severity Severity
	Title    string
	Why      string // why it matters
	Mend     string // the command or the line that mends it; {dir} is the flag -C
	Fixable  bool   // doctor --fix does it

	look func(*Facts) []sighting
}

// sighting is one case of what a check looks for.
type sighting struct {
	seen string
	mend string // in the place of the check's own, if not empty
}

// Finding is what a check saw.
type Finding struct {
	ID       string   `json:"id" doc:"stable: RC and three digits, see docs/doctor.md"`
	Severity Severity `json:"severity" doc:"error, warning or note"`
	Title    string   `json:"title" doc:"what is wrong, in general"`
	Seen     string   `json:"seen" doc:"what was seen"`
	Why      string   `json:"why" doc:"why it matters"`
	Mend     string   `json:"mend" doc:"the command or the line that mends it"`
	Fixable  bool     `json:"fixable" doc:"doctor --fix mends it"`
}

// Person tells whether the finding needs a person.
func (f Finding) Person() bool { return f.Severity != Note }

// Checks lists every check in the order of the IDs.
func Checks() []Check {
	return slices.Concat(deploymentChecks(), stackChecks(), doorChecks(), networkChecks(), certificateChecks(),
		imageChecks(), userChecks(), fileChecks(), diskChecks(), choreChecks())
}

// Examine runs every check. The findings come with the most severe first, and
// else in the order of their IDs.
func Examine(f *Facts) []Finding {
	found := []Finding{}
	for _, c := range Checks() {
		for _, s := range c.look(f) {
			mend := c.Mend
			if s.mend != "" {
				mend = s.mend
			}
			found = append(found, Finding{ID: c.ID, Severity: c.Severity, Title: c.Title, Seen: oneLine(s.seen), Why: c.Why,
				Mend: strings.ReplaceAll(mend, "{dir}", f.DirFlag), Fixable: c.Fixable})
		}
	}
	rank := []Severity{Error, Warning, Note}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return slices.Index(rank, a.Severity) - slices.Index(rank, b.Severity)
	})
	return found
}

// oneLine keeps what a strange program said on one line, and a terminal from
// obeying it.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text))
}

// saw is the one sighting of most checks.
func saw(format string, args ...any) []sighting {
	return []sighting{{seen: fmt.Sprintf(format, args...)}}
}

// Markdown is docs/doctor.md: every check.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# What regctl doctor looks for

` + "`regctl doctor`" + ` looks at a deployment from outside, as a client would, and from inside, through the Docker Engine and the
files. Each finding has an ID that never changes its meaning. It also works when half of the stack is down, when there is no
Docker, and when ` + "`regctl.yaml`" + ` is broken: what cannot be found out is left out. The exit status is 3 when there is an error or a
warning; notes alone leave it at 0. Where a line says *fix*, ` + "`regctl doctor --fix`" + ` does it.

With ` + "`--smoke`" + ` it also does what ` + "`regctl smoke`" + ` does, with a layer of 64 MiB: it logs in as a user that is there for a moment,
pushes, pulls and deletes. That is what finds RC028, RC029 and RC032 whatever stands in front of the registry.

| ID | severity | what is wrong | why it matters | what mends it |
|---|---|---|---|---|
`)
	cell := func(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
	for _, c := range Checks() {
		mend := cell(strings.ReplaceAll(c.Mend, "{dir}", ""))
		if c.Fixable {
			mend += " (*fix*)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.ID, c.Severity, cell(c.Title), cell(c.Why), mend)
	}
	return b.String()
}
