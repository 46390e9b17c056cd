package users

import (
	"bytes"
	"slices"
	"strings"
)

// File is an htpasswd file as lines. What it is not asked to change it gives
// back byte for byte: comments, blank lines, lines it does not understand, line
// endings. Make one with [Parse]; the zero File is an empty file.
type File struct{ lines []line }

// line is one line as the registry would understand it.
type line struct {
	raw   string // with its line ending, which the last line may lack
	entry bool   // has a name and a hash
	name  string
	hash  string
}

// User is a user of the file. It holds no hash, so that it can be printed.
type User struct {
	Name   string
	Scheme string // Bcrypt or another of the constants; only Bcrypt users can log in
	Cost   int    // of bcrypt: 2^Cost rounds; 0 for other schemes
	Line   int    // counted from 1
}

// Parse reads an htpasswd file. It takes any bytes: [File.Faults] tells what is
// wrong with them. data is not kept.
func Parse(data []byte) *File {
	f := &File{}
	for raw := range strings.Lines(string(data)) {
		f.lines = append(f.lines, parseLine(raw))
	}
	return f
}

// parseLine takes a line apart as the registry does (parseHTPasswd): white
// space around it is cut off, '#' begins a comment, the first colon ends the
// name, whatever the name is.
func parseLine(raw string) line {
	text := strings.TrimSpace(raw)
	if strings.HasPrefix(text, "#") {
		return line{raw: raw}
	}
	name, hash, ok := strings.Cut(text, ":")
	if !ok {
		return line{raw: raw}
	}
	return line{raw: raw, entry: true, name: name, hash: hash}
}

// Bytes returns the file's content.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for _, l := range f.lines {
		b.WriteString(l.raw)
	}
	return b.Bytes()
}

// Users returns the users in the order of their lines, one each: of several
// lines with one name the last, as the registry does. Users whose hash the
// registry cannot use are among them.
func (f *File) Users() []User {
	last := f.last()
	var users []User
	for i, l := range f.lines {
		if l.entry && last[l.name] == i {
			users = append(users, f.user(i))
		}
	}
	return users
}

// Lookup returns the user of that name.
func (f *File) Lookup(name string) (User, bool) {
	i := f.index(name)
	if i < 0 {
		return User{}, false
	}
	return f.user(i), true
}

// Set gives the user of that name another hash or, if there is none, adds one
// at the end. When several lines have the name, the last is changed and the
// others go: Apache reads the first, so an old password would stay good there.
//
// It returns an *InputError when hash is not bcrypt, or when a new name is not
// as [CheckName] wants it; a name that is in the file already may be any.
func (f *File) Set(name, hash string) error {
	if err := checkHash(hash); err != nil {
		return err
	}
	if i := f.index(name); i >= 0 {
		f.lines[i] = parseLine(name + ":" + hash + ending(f.lines[i].raw))
		kept := f.lines[i]
		f.lines = slices.Concat(without(f.lines[:i], name), []line{kept}, f.lines[i+1:])
		return nil
	}
	if err := CheckName(name); err != nil {
		return err
	}
	end := "\n"
	if n := len(f.lines); n > 0 {
		// As the file has it: an editor shows mixed line endings as dirt.
		if ending(f.lines[0].raw) == "\r\n" {
			end = "\r\n"
		}
		if last := &f.lines[n-1]; ending(last.raw) == "" {
			if strings.HasSuffix(last.raw, "\r") { // half of "\r\n"
				last.raw += "\n"
			} else {
				last.raw += end
			}
		}
	}
	f.lines = append(f.lines, parseLine(name+":"+hash+end))
	return nil
}

// Remove takes out every line of that name and tells whether there was one.
func (f *File) Remove(name string) bool {
	n := len(f.lines)
	f.lines = without(f.lines, name)
	return len(f.lines) < n
}

// last maps each name to the index of its last line.
func (f *File) last() map[string]int {
	last := make(map[string]int)
	for i, l := range f.lines {
		if l.entry {
			last[l.name] = i
		}
	}
	return last
}

// index returns the index of the line that counts for name, or -1.
func (f *File) index(name string) int {
	for i, l := range slices.Backward(f.lines) {
		if l.entry && l.name == name {
			return i
		}
	}
	return -1
}

func (f *File) user(i int) User {
	s, cost, _ := scheme(f.lines[i].hash)
	return User{Name: f.lines[i].name, Scheme: s, Cost: cost, Line: i + 1}
}

func without(lines []line, name string) []line {
	var rest []line
	for _, l := range lines {
		if !l.entry || l.name != name {
			rest = append(rest, l)
		}
	}
	return rest
}

// ending returns the line ending of raw: "\n", "\r\n" or none.
func ending(raw string) string {
	switch {
	case strings.HasSuffix(raw, "\r\n"):
		return "\r\n"
	case strings.HasSuffix(raw, "\n"):
		return "\n"
	}
	return ""
}
