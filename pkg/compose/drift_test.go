package compose

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deployed is a directory in which three files were rendered and written.
func deployed(t *testing.T, contents string) Layout {
	t.Helper()
	l := Layout{Dir: t.TempDir()}
	if err := os.Mkdir(l.Path("sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := three(contents)
	if _, err := l.Write(files, compared(t, l, files), true); err != nil {
		t.Fatal(err)
	}
	return l
}

func three(contents string) []File {
	return []File{
		{Path: "sub/secret.yml", Data: []byte(contents + "\nsecret: x" + contents + "\n"), Mode: 0o600, Secret: true},
		{Path: "plain.conf", Data: []byte(contents + "\n"), Mode: 0o644},
		{Path: "last.yml", Data: []byte("# " + contents + "\n"), Mode: 0o644},
	}
}

func compared(t *testing.T, l Layout, files []File) []Drift {
	t.Helper()
	drift, err := l.Compare(files)
	if err != nil {
		t.Fatal(err)
	}
	return drift
}

// state is that of plain.conf.
func state(t *testing.T, l Layout, files []File) Drift {
	t.Helper()
	for _, d := range compared(t, l, files) {
		if d.Path == "plain.conf" {
			return d
		}
	}
	t.Fatal("plain.conf was not compared")
	return Drift{}
}

func put(t *testing.T, path, contents string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestStates(t *testing.T) {
	tests := map[string]struct {
		happens func(*testing.T, Layout)
		want    State
		mode    bool
		byHand  bool
		diff    string // a line of it
	}{
		"nothing":  {happens: func(*testing.T, Layout) {}, want: Current},
		"removed":  {happens: func(t *testing.T, l Layout) { os.Remove(l.Path("plain.conf")) }, want: Missing},
		"outdated": {happens: rerender("older"), want: Outdated, diff: "-older"},
		"edited": {happens: func(t *testing.T, l Layout) { put(t, l.Path("plain.conf"), "by hand\n") },
			want: Edited, byHand: true, diff: "-by hand"},
		"emptied": {happens: func(t *testing.T, l Layout) { put(t, l.Path("plain.conf"), "") },
			want: Edited, byHand: true, diff: "+now"},
		"edited to what it would be": {happens: func(t *testing.T, l Layout) {
			rerender("older")(t, l)
			put(t, l.Path("plain.conf"), "now\n")
		}, want: Current},
		"foreign": {happens: func(t *testing.T, l Layout) {
			os.Remove(l.recordPath())
			put(t, l.Path("plain.conf"), "theirs\n")
		}, want: Foreign, byHand: true, diff: "-theirs"},
		"foreign but the same": {happens: func(t *testing.T, l Layout) { os.Remove(l.recordPath()) }, want: Current},
		"mode": {happens: func(t *testing.T, l Layout) { os.Chmod(l.Path("plain.conf"), 0o666) },
			want: Current, mode: true},
		"mode and contents": {happens: func(t *testing.T, l Layout) {
			rerender("older")(t, l)
			os.Chmod(l.Path("plain.conf"), 0o600)
		}, want: Outdated, mode: true, diff: "+now"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := deployed(t, "now")
			tt.happens(t, l)
			d := state(t, l, three("now"))
			if d.State != tt.want || d.Mode != tt.mode || d.ByHand() != tt.byHand {
				t.Errorf("got %s, mode %v, by hand %v", d.State, d.Mode, d.ByHand())
			}
			if d.Changes() != (tt.want != Current || tt.mode) {
				t.Errorf("Changes() = %v", d.Changes())
			}
			if tt.diff == "" && d.Diff != "" || !slices.Contains(strings.Split(d.Diff, "\n"), tt.diff) {
				t.Errorf("the diff lacks %q:\n%s", tt.diff, d.Diff)
			}
		})
	}
}

// rerender writes an older rendering over the deployment.
func rerender(contents string) func(*testing.T, Layout) {
	return func(t *testing.T, l Layout) {
		t.Helper()
		files := three(contents)
		if _, err := l.Write(files, compared(t, l, files), true); err != nil {
			t.Fatal(err)
		}
	}
}

// Each of these is brought back to what it should be, without losing a byte
// that somebody wrote.
func TestWriteSettles(t *testing.T) {
	for _, contents := range []string{"now", "then", ""} {
		l := deployed(t, "now")
		os.Chmod(l.Path("last.yml"), 0o600)
		put(t, l.Path("plain.conf"), "by hand\n")
		files := three(contents)
		drift := compared(t, l, files)
		kept, err := l.Write(files, drift, true)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "kept", kept, []string{"plain.conf.edited"})
		if got := contentsOf(t, l.Path("plain.conf.edited")); got != "by hand\n" {
			t.Errorf("the copy holds %q", got)
		}
		for i, d := range compared(t, l, files) {
			if d.Changes() {
				t.Errorf("%s is %s (mode %v) after it was written", d.Path, d.State, d.Mode)
			}
			fi, err := os.Stat(l.Path(d.Path))
			if err != nil || fi.Mode() != files[i].Mode {
				t.Errorf("%s: %v, %v", d.Path, fi.Mode(), err)
			}
		}
	}
}

func TestNothingIsWrittenWithoutNeed(t *testing.T) {
	l := deployed(t, "now")
	before := tree(t, l.Dir)
	files := three("now")
	if _, err := l.Write(files, compared(t, l, files), true); err != nil {
		t.Fatal(err)
	}
	equal(t, "inodes", tree(t, l.Dir), before)
}

// Copies never replace anything, and what is kept already is not kept twice.
func TestCopiesOfEditedFiles(t *testing.T) {
	l := deployed(t, "now")
	files := three("now")
	for _, edit := range []string{"one", "two", "two", "one", "three"} {
		put(t, l.Path("plain.conf"), edit)
		if _, err := l.Write(files, compared(t, l, files), true); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	names, err := filepath.Glob(l.Path("*.edited*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		got[filepath.Base(name)] = contentsOf(t, name)
		if fi, err := os.Stat(name); err != nil || fi.Mode() != 0o600 { // a secret may be in it
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	equal(t, "copies", got, map[string]string{
		"plain.conf.edited": "one", "plain.conf.edited-2": "two", "plain.conf.edited-3": "three"})
}

func TestWithoutKeepNothingIsCopied(t *testing.T) {
	l := deployed(t, "now")
	put(t, l.Path("plain.conf"), "by hand")
	files := three("now")
	kept, err := l.Write(files, compared(t, l, files), false)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept", kept, nil)
	if names, _ := filepath.Glob(l.Path("*.edited*")); len(names) > 0 {
		t.Errorf("copied: %q", names)
	}
}

func contentsOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tree lists a directory with modes, sizes and inodes: what was written anew
// shows, though its bytes are the same.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, path+" "+fi.Mode().String()+" "+inode(fi))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
