package users

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Fault is something wrong with a line of the file.
type Fault struct {
	Line int // counted from 1
	// Message says what is wrong and what follows from it. It holds neither a
	// hash nor any text of a line that is not an entry: that may be a password.
	Message string
	// Fatal: as long as this line is there the registry refuses the whole file.
	// A running one keeps the users it had, so what was added does not work and
	// who was removed still gets in; one that starts lets nobody in.
	Fatal bool
}

// longest is the first line length, without the line ending's newline, that the
// registry's bufio.Scanner refuses ("token too long").
const longest = 64 << 10

// bom is what some editors put before a text in UTF-8. The registry takes it as
// part of the first line.
const bom = "\ufeff"

// Faults returns what is wrong with the file, in the order of its lines. A file
// without faults is read by the registry as Users tells, and all can log in.
func (f *File) Faults() []Fault {
	var faults []Fault
	last := f.last()
	for i, l := range f.lines {
		add := func(fatal bool, format string, args ...any) {
			faults = append(faults, Fault{Line: i + 1, Message: fmt.Sprintf(format, args...), Fatal: fatal})
		}
		if n := len(strings.TrimSuffix(l.raw, "\n")); n >= longest {
			add(true, "has %d bytes: the registry refuses the whole file because of a line of %d or more", n, longest)
		}
		text := strings.TrimSpace(l.raw)
		switch {
		case i == 0 && strings.HasPrefix(text, bom):
			add(!l.entry, "begins with a byte order mark, which the registry takes as part of the line")
		case !l.entry && text != "" && text[0] != '#':
			what := "has no colon"
			if strings.Contains(text, "\x00") {
				what = "has no colon but NUL bytes, as a crash of the machine leaves them"
			}
			add(true, "%s: the registry refuses the whole file because of it", what)
		}
		if l.entry {
			if message := entryFault(l, i, last[l.name]); message != "" {
				add(false, "%s", message)
			}
		}
	}
	return faults
}

// entryFault says what is wrong with an entry in line index i, when the line
// that counts for its name has index last.
func entryFault(l line, i, last int) string {
	user := "the user"
	if CheckName(l.name) == nil { // else it may be anything, also a hash
		user = "user " + l.name
	}
	s, cost, junk := scheme(l.hash)
	switch {
	case i != last:
		return fmt.Sprintf("%s has another entry in line %d, which is the one that the registry uses", user, last+1)
	case l.name == "":
		return "has no name before the colon: the registry lets in whoever gives no name and this password"
	case strings.ContainsFunc(l.name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "has a space or control character in the name, which the registry takes as part of it"
	case s == Unknown && strings.HasPrefix(l.hash, "$2"):
		return user + " has a damaged bcrypt hash and cannot log in"
	case s == Unknown:
		return user + " has no hash that the registry knows and cannot log in"
	case s != Bcrypt:
		return fmt.Sprintf("%s has a hash of type %s, of which the registry knows none but bcrypt, and cannot log in", user, s)
	case junk != "":
		return user + " has something after the hash, which the registry ignores"
	case cost > MaxCost:
		return fmt.Sprintf("%s has a hash of cost %d: the registry spends about %s on each request", user, cost, checkTime(cost))
	}
	return ""
}

// checkTime says roughly how long the registry takes for one check of a cost
// over 10: at 10 it was 58 ms, and each step doubles it.
func checkTime(cost int) string {
	d := 58 * time.Millisecond << (cost - 10)
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f seconds", d.Seconds())
}
