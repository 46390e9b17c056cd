package users

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// RightsName is the name of the rights file, which lies beside the user file.
// The front door reads it (memory.js under templates) when its time or inode is
// another one; what it cannot read as a whole it leaves, and goes on with the
// rights it had.
const RightsName = "rights.json"

const (
	// rightsMode: Nginx's workers are not the owner, and there is no secret in it.
	rightsMode    = 0o644
	rightsVersion = 1
	// maxRights bounds the file: the front door parses it while clients wait.
	maxRights = 1 << 20
)

// timeForm is RFC 3339 in UTC with whole seconds, of what it allows the one
// form that every reader of the file understands alike.
const timeForm = "2006-01-02T15:04:05Z"

// RightsFile is the rights of users by their name. A user that is not in it has
// none.
type RightsFile map[string]Rights

// RightsError says that a rights file is not as the front door and regctl want
// it. Nothing is changed in such a file: what is in it was meant by somebody.
type RightsError struct {
	Path   string // of the file
	Faults []RightsFault
}

// RightsFault is one thing that is wrong with a rights file.
type RightsFault struct {
	Line    int    // counted from 1
	Where   string // users.ci-bot.pull[1]; "" is the file itself
	Message string
}

func (f RightsFault) String() string {
	if f.Where == "" {
		return fmt.Sprintf("line %d: %s", f.Line, f.Message)
	}
	return fmt.Sprintf("line %d: %s: %s", f.Line, f.Where, f.Message)
}

func (e *RightsError) Error() string {
	if len(e.Faults) == 1 {
		return fmt.Sprintf("%s: %s", e.Path, e.Faults[0])
	}
	return fmt.Sprintf("%s has %d faults", e.Path, len(e.Faults))
}

// Detail lists the faults, a line each, when there are several.
func (e *RightsError) Detail() string {
	const most = 50
	if len(e.Faults) == 1 {
		return ""
	}
	var b bytes.Buffer
	for i, f := range e.Faults {
		if i == most {
			fmt.Fprintf(&b, "… and %d more\n", len(e.Faults)-i)
			break
		}
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// ParseRights reads a rights file. Whatever it takes, the front door takes too,
// with the same meaning. It returns a *RightsError without a Path that names
// every fault.
func ParseRights(data []byte) (RightsFile, error) {
	if len(data) > maxRights {
		return nil, &RightsError{Faults: []RightsFault{{1, "", tooLarge(len(data))}}}
	}
	root, err := readTree(data)
	if err != nil {
		return nil, &RightsError{Faults: []RightsFault{{err.line, "", err.message}}}
	}
	p := &rightsParser{}
	file := p.file(root)
	if len(p.faults) > 0 {
		return nil, &RightsError{Faults: p.faults}
	}
	return file, nil
}

func tooLarge(n int) string {
	return fmt.Sprintf("has %d bytes, at most %d are possible", n, maxRights)
}

// Marshal writes the file: the same rights give the same bytes.
func (f RightsFile) Marshal() []byte {
	type entry struct {
		Pull    []string `json:"pull"`
		Push    []string `json:"push"`
		Delete  []string `json:"delete"`
		Admin   bool     `json:"admin"`
		Expires string   `json:"expires,omitempty"`
	}
	// A list is empty rather than null, which the front door would refuse.
	full := func(patterns []string) []string { return append([]string{}, patterns...) }
	entries := map[string]entry{}
	for name, r := range f {
		e := entry{full(r.Pull), full(r.Push), full(r.Delete), r.Admin, ""}
		if r.Expires != nil {
			e.Expires = r.Expires.UTC().Format(timeForm)
		}
		entries[name] = e
	}
	data, err := json.MarshalIndent(struct {
		Version int              `json:"version"`
		Users   map[string]entry `json:"users"`
	}{rightsVersion, entries}, "", "  ")
	if err != nil {
		panic(err) // strings, booleans and maps of them always can be written
	}
	return append(data, '\n')
}

// rightsParser turns a tree of JSON into rights and keeps what is wrong.
type rightsParser struct{ faults []RightsFault }

func (p *rightsParser) fault(n *node, where, format string, args ...any) {
	p.faults = append(p.faults, RightsFault{n.line, where, fmt.Sprintf(format, args...)})
}

func (p *rightsParser) file(root *node) RightsFile {
	file := RightsFile{}
	if root.kind != kindObject {
		p.fault(root, "", "is %s, it has to be an object with version and users", root.kind)
		return nil
	}
	p.keys(root, "", "version", "users")
	if version := root.member("version"); version == nil {
		p.fault(root, "version", "is missing; it is %d", rightsVersion)
	} else if version.kind != kindNumber || version.text != "1" {
		p.fault(version, "version", "is %s; this regctl knows version %d", version, rightsVersion)
	}
	list := root.member("users")
	if list == nil {
		p.fault(root, "users", "is missing")
		return nil
	}
	if list.kind != kindObject {
		p.fault(list, "users", "is %s, it has to be an object of users by name", list.kind)
		return nil
	}
	p.keys(list, "users")
	for _, m := range list.members {
		where := under("users", m.name)
		if err := CheckName(m.name); err != nil {
			p.fault(m.value, where, "%v", err)
		}
		file[m.name] = p.rights(m.value, where)
	}
	return file
}

func (p *rightsParser) rights(n *node, where string) (r Rights) {
	if n.kind != kindObject {
		p.fault(n, where, "is %s, it has to be an object", n.kind)
		return r
	}
	p.keys(n, where, verbPull, verbPush, verbDelete, "admin", "expires")
	for _, l := range r.lists() {
		if patterns := n.member(l.verb); patterns != nil {
			*l.patterns = p.patterns(patterns, where+"."+l.verb)
		}
	}
	if admin := n.member("admin"); admin != nil {
		r.Admin = admin.kind == kindBool && admin.text == "true"
		if admin.kind != kindBool {
			p.fault(admin, where+".admin", "is %s, it has to be true or false", admin)
		}
	}
	if expires := n.member("expires"); expires != nil {
		r.Expires = p.time(expires, where+".expires")
	}
	return r
}

func (p *rightsParser) patterns(n *node, where string) (patterns []string) {
	if n.kind != kindList {
		p.fault(n, where, "is %s, it has to be a list of patterns", n.kind)
		return nil
	}
	for i, item := range n.items {
		at := fmt.Sprintf("%s[%d]", where, i)
		if item.kind != kindString {
			p.fault(item, at, "is %s, it has to be a pattern in quotes", item)
		} else if err := CheckPattern(item.text); err != nil {
			p.fault(item, at, "%v", err)
		}
		patterns = append(patterns, item.text)
	}
	return patterns
}

func (p *rightsParser) time(n *node, where string) *time.Time {
	const want = "it has to be a time such as \"2026-12-01T00:00:00Z\""
	if n.kind != kindString {
		p.fault(n, where, "is %s, %s", n, want)
		return nil
	}
	t, err := time.Parse(timeForm, n.text)
	// time.Parse takes fractions of a second too, which not every reader does.
	if err != nil || t.Format(timeForm) != n.text || !inRange(t) {
		p.fault(n, where, "is %s, %s", n, want)
		return nil
	}
	return &t
}

// inRange tells a time that the file can hold. The front door refuses the
// epoch itself and what is before.
func inRange(t time.Time) bool { return t.Unix() > 0 && t.UTC().Year() <= 9999 }

// keys reports members that are not among those known, and names given twice,
// of which one reader would take the first and another the last. Without any
// known all are.
func (p *rightsParser) keys(n *node, where string, known ...string) {
	seen := map[string]bool{}
	for _, m := range n.members {
		at := under(where, m.name)
		switch {
		case len(known) > 0 && !slices.Contains(known, m.name):
			p.fault(m.value, at, "is not known; there are %s", enumerate(known))
		case seen[m.name]:
			p.fault(m.value, at, "is there twice")
		}
		seen[m.name] = true
	}
}

// under is the path of a member, with its name in quotes where it would not read
// as one.
func under(where, name string) string {
	switch {
	case CheckName(name) != nil:
		return where + "[" + quoted(name) + "]"
	case where == "":
		return name
	}
	return where + "." + name
}

func enumerate(words []string) string {
	var b bytes.Buffer
	for i, w := range words {
		switch {
		case i == len(words)-1 && i > 0:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(w)
	}
	return b.String()
}
