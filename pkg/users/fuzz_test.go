package users

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// asRegistry reads the file with the parts that the registry reads it with
// (parseHTPasswd of Distribution 2.8.3 and 3.1.2): bufio.Scanner with its limit,
// strings.TrimSpace, the first colon. It is what Parse is measured against.
func asRegistry(data []byte) (map[string]string, error) {
	entries := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		i := strings.IndexByte(text, ':')
		if i < 0 {
			return nil, fmt.Errorf("no colon")
		}
		entries[text[:i]] = text[i+1:]
	}
	return entries, lines.Err()
}

func (f *File) entries() map[string]string {
	entries := map[string]string{}
	for name, i := range f.last() {
		entries[name] = f.lines[i].hash
	}
	return entries
}

func fatal(f *File) bool {
	return slices.ContainsFunc(f.Faults(), func(f Fault) bool { return f.Fatal })
}

// others are the lines of everybody but name, without line endings.
func others(data []byte, name string) []string {
	var rest []string
	for raw := range strings.Lines(string(data)) {
		if n, _, ok := strings.Cut(strings.TrimSpace(raw), ":"); ok && n == name {
			continue
		}
		rest = append(rest, strings.TrimSuffix(strings.TrimSuffix(raw, "\n"), "\r"))
	}
	return rest
}

func FuzzParse(f *testing.F) {
	f.Fuzz(checkParse)
}

// Lines about as long as the registry reads. They are no seeds: the fuzzer would
// spend its time on making them smaller.
func TestLineLimit(t *testing.T) {
	a, b := "a:"+hashA+"\n", "b:"+hashB
	for n := 64<<10 - 3; n < 64<<10+3; n++ {
		comment := "#" + strings.Repeat("x", n-1)
		for _, in := range []string{
			comment, comment + "\n", comment + "\r\n", a + comment, a + comment + "\n" + b, a + comment + "\r\n" + b,
		} {
			checkParse(t, []byte(in), "b")
		}
	}
}

func checkParse(t *testing.T, data []byte, name string) {
	file := Parse(data)
	if !bytes.Equal(file.Bytes(), data) {
		t.Fatalf("round trip: %q became %q", data, file.Bytes())
	}
	want, err := asRegistry(data)
	if fatal(file) != (err != nil) {
		t.Fatalf("faults %v, but the registry says %v", file.Faults(), err)
	}
	if err == nil && !maps.Equal(file.entries(), want) {
		t.Fatalf("entries %q, but the registry has %q", file.entries(), want)
	}
	for _, u := range file.Users() {
		if got, ok := file.Lookup(u.Name); !ok || got != u {
			t.Fatalf("Lookup(%q) = %v, %v, want %v", u.Name, got, ok, u)
		}
	}
	checkSet(t, data, name)
	checkRemove(t, data, name)
	if users := file.Users(); len(users) > 0 { // a random name is hardly ever one of them
		checkSet(t, data, users[0].Name)
		checkRemove(t, data, users[0].Name)
	}
}

func checkSet(t *testing.T, data []byte, name string) {
	file := Parse(data)
	_, known := file.Lookup(name)
	err := file.Set(name, hashN)
	if possible := known || CheckName(name) == nil; (err == nil) != possible {
		t.Fatalf("Set(%q) = %v", name, err)
	}
	if err != nil {
		if !bytes.Equal(file.Bytes(), data) {
			t.Fatalf("Set(%q) failed and changed %q to %q", name, data, file.Bytes())
		}
		return
	}
	// The file read again must be the file in memory.
	again := Parse(file.Bytes())
	for _, f := range []*File{file, again} {
		if u, ok := f.Lookup(name); !ok || u.Scheme != Bcrypt || f.lines[u.Line-1].hash != hashN {
			t.Fatalf("after Set(%q) in %q: %v, %v", name, data, u, ok)
		}
	}
	if !slices.Equal(again.lines, file.lines) {
		t.Fatalf("after Set(%q) %q reads differently", name, file.Bytes())
	}
	if got, want := others(file.Bytes(), name), others(data, name); !slices.Equal(got, want) {
		t.Fatalf("Set(%q) changed other lines of %q: %q", name, data, got)
	}
	// Each entry of that name is the new one, for whoever takes the first.
	for _, l := range file.lines {
		if l.entry && l.name == name && l.hash != hashN {
			t.Fatalf("an old hash of %q stays in %q", name, file.Bytes())
		}
	}
}

func checkRemove(t *testing.T, data []byte, name string) {
	file := Parse(data)
	_, known := file.Lookup(name)
	if got := file.Remove(name); got != known {
		t.Fatalf("Remove(%q) = %v", name, got)
	}
	if !known && !bytes.Equal(file.Bytes(), data) {
		t.Fatalf("Remove(%q) removed nothing and changed %q to %q", name, data, file.Bytes())
	}
	if _, ok := Parse(file.Bytes()).Lookup(name); ok {
		t.Fatalf("Remove(%q) left it in %q", name, file.Bytes())
	}
	if got, want := others(file.Bytes(), name), others(data, name); !slices.Equal(got, want) {
		t.Fatalf("Remove(%q) changed other lines of %q: %q", name, data, got)
	}
}
