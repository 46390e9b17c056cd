package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

func inode(fi fs.FileInfo) string { return fmt.Sprint(fi.Sys().(*syscall.Stat_t).Ino) }

// A kill can come between any two of Write's steps: recording what is going to
// be written, writing each file, recording that it was. Afterwards no file may
// look as if a person had edited it, whichever configuration comes next.
func TestKilledBetweenRecordAndWrite(t *testing.T) {
	for _, next := range []string{"old", "new", "newer"} {
		for written := 0; written <= 3; written++ {
			t.Run(fmt.Sprintf("%d written, then %s", written, next), func(t *testing.T) {
				l := deployed(t, "old")
				killedWrite(t, l, three("new"), written)
				files := three(next)
				for _, d := range compared(t, l, files) {
					if d.ByHand() {
						t.Errorf("%s looks %s", d.Path, d.State)
					}
				}
				// Killed again, with what comes next.
				killedWrite(t, l, files, 1)
				drift := compared(t, l, files)
				for _, d := range drift {
					if d.ByHand() {
						t.Errorf("%s looks %s after a second kill", d.Path, d.State)
					}
				}
				if _, err := l.Write(files, drift, true); err != nil {
					t.Fatal(err)
				}
				for _, d := range compared(t, l, files) {
					if d.Changes() {
						t.Errorf("%s is %s in the end", d.Path, d.State)
					}
				}
				// From here on an edit is an edit again.
				put(t, l.Path("plain.conf"), "old\n\n")
				if d := state(t, l, files); d.State != Edited {
					t.Errorf("an edit looks %s", d.State)
				}
			})
		}
	}
}

// killedWrite leaves what a Write that is killed before it replaces the n-th
// file leaves; with n past the last file, one that is killed before its last
// record.
func killedWrite(t *testing.T, l Layout, files []File, n int) {
	t.Helper()
	drift := compared(t, l, files)
	stopped := min(n, len(files)-1)
	path := l.Path(files[stopped].Path)
	// A directory in its place fails the write there, and Write undoes nothing.
	must(t, os.Rename(path, path+".aside"))
	must(t, os.Mkdir(path, 0o755))
	_, err := l.Write(files, drift, true)
	must(t, os.Remove(path))
	must(t, os.Rename(path+".aside", path))
	if failed := err != nil; failed != drift[stopped].Changes() {
		t.Fatalf("%s: %v", drift[stopped].State, err)
	}
	if n < len(files) {
		return
	}
	record := contentsOf(t, l.recordPath())
	if _, err := l.Write(files, compared(t, l, files), true); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(l.recordPath(), []byte(record), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A kill after the copy was made and before anything was written: the next run
// keeps no second copy of the same.
func TestKilledAfterTheCopy(t *testing.T) {
	l := deployed(t, "old")
	put(t, l.Path("plain.conf"), "by hand")
	if _, err := l.keepCopy("plain.conf"); err != nil {
		t.Fatal(err)
	}
	files := three("new")
	kept, err := l.Write(files, compared(t, l, files), true)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "kept", kept, []string{"plain.conf.edited"})
	if _, err := os.Lstat(l.Path("plain.conf.edited-2")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second copy of the same: %v", err)
	}
}

// What is not a regular file is neither followed nor replaced.
func TestSomethingElseInPlaceOfAFile(t *testing.T) {
	for name, makes := range map[string]func(path string) error{
		"a link":             func(path string) error { return os.Symlink("target", path) },
		"a link to nothing":  func(path string) error { return os.Symlink("nothing", path) },
		"a directory":        func(path string) error { return os.Mkdir(path, 0o755) },
		"a pipe nobody uses": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			l := deployed(t, "old")
			put(t, l.Path("target"), "theirs")
			path := l.Path("plain.conf")
			must(t, os.Remove(path))
			must(t, makes(path))
			before := tree(t, l.Dir)
			_, err := l.Compare(three("new"))
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name %s: %v", path, err)
			}
			if advice.Of(err) == "" {
				t.Error("no hint")
			}
			equal(t, "tree", tree(t, l.Dir), before)
		})
	}
}

func TestDamagedRecord(t *testing.T) {
	for _, contents := range []string{"", "{", "[]", `{"files": 1}`, `{"files": {"plain.conf": "x"}}`, "\x00\x00\x00\x00"} {
		l := deployed(t, "old")
		put(t, l.recordPath(), contents)
		files := three("new")
		_, err := l.Compare(files)
		if err == nil || !strings.Contains(err.Error(), l.recordPath()) || advice.Of(err) == "" {
			t.Errorf("%q: error %v, hint %q", contents, err, advice.Of(err))
		}
		before := tree(t, l.Dir)
		if _, err := l.Write(files, make([]Drift, len(files)), true); err == nil {
			t.Errorf("%q: was written over", contents)
		}
		equal(t, "tree", tree(t, l.Dir), before)
		// What the hint says to do works: the files that are there count as foreign.
		must(t, os.Remove(l.recordPath()))
		if d := state(t, l, files); d.State != Foreign {
			t.Errorf("%q: then plain.conf is %s", contents, d.State)
		}
	}
	l := deployed(t, "old")
	for _, contents := range []string{"null", "{}", `{"version": 1, "files": null}`} {
		put(t, l.recordPath(), contents)
		if d := state(t, l, three("new")); d.State != Foreign {
			t.Errorf("%s: plain.conf is %s", contents, d.State)
		}
	}
}

// Where only the secret differs there is no line to show, but something to say.
func TestDiffOfASecretAlone(t *testing.T) {
	l := deployed(t, "x")
	put(t, l.Path("s.yml"), "secret: theirs\n")
	drift := compared(t, l, []File{{Path: "s.yml", Data: []byte("secret: ours\n"), Mode: 0o644, Secret: true}})
	if d := drift[0]; d.State != Foreign || d.Diff != "only values that are not shown differ\n" {
		t.Errorf("%s: %q", d.State, d.Diff)
	}
}

// A diff is shown, mailed and pasted: it holds no secret, whatever was made of
// the file by hand.
func TestDiffHidesSecrets(t *testing.T) {
	const old, hidden = "oldsecret", "handsecret"
	for _, edited := range []string{
		"secret: " + hidden, "  secret: " + hidden, "\tsecret : " + hidden, `"secret": "` + hidden + `"`, `'secret': ` + hidden,
		"http: {addr: :5000, secret: " + hidden + "}", "http: {secret: " + hidden + ", addr: :5000}",
		"- secret: " + hidden, "secret:\n  " + hidden, "secret: |\n  " + hidden + "\n  " + hidden, "secret: >-\n\n    " + hidden,
		"secret: \"x\n  " + hidden + "\"", "password: " + hidden, "secretkey: " + hidden, "accesskey: " + hidden, "Secret: " + hidden,
		"secret: " + hidden + " # was " + old, "# secret: " + hidden,
	} {
		l := deployed(t, "x")
		secret := File{Path: "s.yml", Data: []byte("a: 1\nhttp:\n  secret: \"" + old + "\"\n  b: 2\n"), Mode: 0o600, Secret: true}
		put(t, l.Path("s.yml"), edited+"\nafter: shown\n")
		drift := compared(t, l, []File{secret})
		d := drift[0].Diff
		if strings.Contains(d, hidden) || strings.Contains(d, old) {
			t.Errorf("%q: shown in\n%s", edited, d)
		}
		for _, line := range []string{"+a: 1", "+  b: 2", "-after: shown"} {
			if !strings.Contains(d, "\n"+line+"\n") {
				t.Errorf("%q: %s is missing in\n%s", edited, line, d)
			}
		}
	}
}
