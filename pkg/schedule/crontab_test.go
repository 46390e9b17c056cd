package schedule

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// pieces are what random crontabs are made of: everything a person may have
// there, other deployments' blocks and look-alikes of this one's marks.
func pieces(t *testing.T) []string {
	other := plain(t)
	other.Project = "registry-2"
	block, err := other.block()
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"\n", "\n\n", " \t\n", "# a comment\n", "#BEGIN regctl schedule registry\n", "PATH=/bin\n", "MAILTO=\"\"\n",
		"@reboot true\n", "* * * * * echo 100\\% > /dev/null\n", "*/5 * * * 1-5 cmd%input%more\n", "x\r\n", "\x00\xff\n",
		"# BEGIN regctl schedule registry2\n", "# END regctl schedule\n", "  # BEGIN regctl schedule registry\n",
		"# BEGIN regctl schedule registry (mine)\n", block, "é", "no end", strings.Repeat("x", 3000) + "\n",
	}
}

// Whatever stands in a crontab, installing and removing leaves it as it was, byte
// for byte, and installing twice is installing once.
func TestBlockRoundTrip(t *testing.T) {
	s := plain(t)
	block, err := s.block()
	if err != nil {
		t.Fatal(err)
	}
	s.Jobs[0].When = times(t, "1 2 3 4 *")
	newer, err := s.block()
	if err != nil {
		t.Fatal(err)
	}
	parts := pieces(t)
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		var table []byte
		for range r.IntN(6) {
			table = append(table, parts[r.IntN(len(parts))]...)
		}
		with, err := withBlock(table, "registry", block)
		if err != nil {
			t.Fatalf("%q: %v", table, err)
		}
		if !bytes.HasPrefix(with, table) || len(with) > 0 && with[len(with)-1] != '\n' {
			t.Fatalf("%q became %q", table, with)
		}
		b, err := findBlock(with, "registry")
		if err != nil || b == nil || b.text(with) != block {
			t.Fatalf("in %q the block is %+v, %v", with, b, err)
		}
		again, err := withBlock(with, "registry", block)
		if err != nil || !bytes.Equal(again, with) {
			t.Fatalf("twice: %q, once: %q, %v", again, with, err)
		}
		changed, err := withBlock(with, "registry", newer)
		if err != nil || bytes.Equal(changed, with) {
			t.Fatalf("another block: %q, %v", changed, err)
		}
		for _, in := range [][]byte{with, changed} {
			out, err := withoutBlock(in, "registry")
			if err != nil || !bytes.Equal(out, table) {
				t.Fatalf("%q came back as %q, %v", table, out, err)
			}
		}
		// What is added below it later stays too.
		out, err := withoutBlock(append(with, "# later\n"...), "registry")
		if err != nil || !bytes.HasSuffix(out, []byte("# later\n")) || !bytes.HasPrefix(out, table) || len(out) > len(table)+len("\n# later\n") {
			t.Fatalf("with something below: %q, %v", out, err)
		}
	}
}

// Marks that somebody damaged are left to a person.
func TestDamagedMarks(t *testing.T) {
	block, err := plain(t).block()
	if err != nil {
		t.Fatal(err)
	}
	begin, end := beginMark("registry")+"\n", endMark("registry")+"\n"
	for _, table := range []string{begin, end, end + begin, block + block, begin + block, block + end, begin + begin + end} {
		for name, edit := range map[string]func() ([]byte, error){
			"install": func() ([]byte, error) { return withBlock([]byte(table), "registry", block) },
			"remove":  func() ([]byte, error) { return withoutBlock([]byte(table), "registry") },
		} {
			if _, err := edit(); err == nil || !strings.Contains(advice.Of(err), "crontab -e") {
				t.Errorf("%s into %q: %v", name, table, err)
			}
		}
	}
}

// realCrontab is the crontab of a user whom nobody needs, with the machine's own
// program; where the tests may not be somebody else, with one that keeps a file.
func realCrontab(t *testing.T) Crontab {
	t.Helper()
	c := Crontab{Now: time.Now}
	if os.Geteuid() != 0 {
		dir := t.TempDir()
		stand(t, dir, `case $1 in
-l) cat "$0.table" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-r) rm "$0.table" ;;
-) cat >"$0.table" ;;
esac`)
		return c
	}
	const nobody = 65534
	c.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	clean := func() {
		cmd := exec.Command("crontab", "-r")
		cmd.SysProcAttr = c.as
		_ = cmd.Run() // fails where there is none
	}
	clean()
	t.Cleanup(clean)
	t.Chdir("/")
	return c
}

// stand puts a program called crontab in front of the machine's own.
func stand(t *testing.T, dir, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "crontab"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestCrontab(t *testing.T) {
	c, ctx, s := realCrontab(t), t.Context(), odd(t)
	c.Proc = t.TempDir()
	now := time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return now }
	look := func() State {
		t.Helper()
		st, err := c.Look(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := look(); st.Installed || st.Current || len(st.Have) > 0 || len(st.Want) != 1 {
		t.Fatalf("before anything: %+v", st)
	}
	if err := c.Remove(ctx, s.Project); err != nil {
		t.Fatalf("remove where there is nothing: %v", err)
	}
	for _, before := range []string{"", "# mine\nMAILTO=me\n5 * * * * echo '100\\%'\n"} {
		if before != "" {
			if _, err := c.run(ctx, []byte(before), "-"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := c.Install(ctx, s); err != nil {
				t.Fatal(err)
			}
			st := look()
			if !st.Installed || !st.Current || len(st.Have) != 1 || st.Have[0] != st.Want[0] {
				t.Fatalf("installed: %+v", st)
			}
			if len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "no cron daemon runs") {
				t.Errorf("no cron runs: %q", st.Problems)
			}
			if got := st.Next["cert"]; !got.Equal(time.Date(2026, 11, 24, 6, 17, 0, 0, time.UTC)) {
				t.Errorf("next is %s", got)
			}
		}
		daemon := filepath.Join(c.Proc, "1", "comm")
		if err := errors.Join(os.MkdirAll(filepath.Dir(daemon), 0o755), os.WriteFile(daemon, []byte("crond\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
		if st := look(); len(st.Problems) > 0 {
			t.Errorf("a cron runs: %q", st.Problems)
		}
		other := plain(t)
		if err := c.Install(ctx, other); err != nil {
			t.Fatal(err)
		}
		changed := s
		changed.Jobs = s.Jobs[:1]
		if st, err := c.Look(ctx, changed); err != nil || !st.Installed || st.Current || len(st.Problems) != 1 {
			t.Errorf("another schedule: %+v, %v", st, err)
		}
		if err := c.Remove(ctx, s.Project); err != nil {
			t.Fatal(err)
		}
		if st, err := c.Look(ctx, other); err != nil || !st.Current {
			t.Errorf("the other deployment's block is %+v, %v", st, err)
		}
		if err := c.Remove(ctx, other.Project); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Dir(daemon)); err != nil {
			t.Fatal(err)
		}
		table, exists, err := c.read(ctx)
		if err != nil || string(table) != before || exists != (before != "") {
			t.Errorf("left is %q (exists %v, %v), was %q", table, exists, err, before)
		}
	}
}

// A crontab that cannot be read is never taken for an empty one: it would be
// written over.
func TestCrontabFailures(t *testing.T) {
	for name, tt := range map[string]struct{ script, want, hint string }{
		"not allowed":     {`echo "You (me) are not allowed to use this program (crontab)" >&2; exit 1`, "not allowed to use this program", ""},
		"says nothing":    {`exit 1`, "crontab -l: exit status 1", ""},
		"half of it":      {`echo "# half"; echo "no crontab for me" >&2; exit 1`, "no crontab for me", ""},
		"two lines":       {`printf 'no crontab for me\nread error\n' >&2; exit 1`, "read error", ""},
		"killed":          {`kill -9 $$`, "killed", ""},
		"cannot write":    {`[ "$1" = -l ] || { echo "disk full" >&2; exit 1; }`, "crontab -: disk full", ""},
		"changed at once": {`[ "$1" != -l ] || echo "# not what was written"`, "something else changes it", "crontab -l"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			wrote := filepath.Join(dir, "wrote")
			stand(t, dir, `[ "$1" = -l ] || touch `+wrote+"\n"+tt.script)
			err := Crontab{Now: time.Now}.Install(t.Context(), plain(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(advice.Of(err), tt.hint) {
				t.Errorf("%v, hint %q", err, advice.Of(err))
			}
			if _, err := os.Stat(wrote); err == nil != (strings.HasPrefix(name, "c")) {
				t.Errorf("written: %v", err == nil)
			}
		})
	}
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		err := Crontab{Now: time.Now}.Install(t.Context(), plain(t))
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(advice.Of(err), "apt-get install cron") {
			t.Errorf("%v, hint %q", err, advice.Of(err))
		}
	})
	t.Run("BusyBox", func(t *testing.T) {
		stand(t, t.TempDir(), `echo "crontab: can't open 'root': No such file or directory" >&2; exit 1`)
		if table, exists, err := (Crontab{}).read(t.Context()); len(table) > 0 || exists || err != nil {
			t.Errorf("%q, %v, %v", table, exists, err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		stand(t, t.TempDir(), `exec sleep 60`)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := (Crontab{Now: time.Now}).Install(ctx, plain(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
