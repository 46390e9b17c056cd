package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/accesslog"
	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/lock"
)

func TestFlocked(t *testing.T) {
	table := "1: POSIX  ADVISORY  WRITE 5433 08:01:131 0 EOF\n2: FLOCK  ADVISORY  WRITE 5433 fe:00:7710 0 EOF\n"
	for inode, want := range map[uint64]bool{7710: true, 710: false, 131: false} {
		if flocked(table, inode) != want {
			t.Errorf("%d: %v", inode, !want)
		}
	}
}

// doctor tells who holds the lock, and does not take it.
func TestDoctorSeesTheLock(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	look := func() *doctor.Lock {
		app, _, _ := inProcess()
		app.dir = dir
		v := &visit{app: app}
		f, err := v.gather(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f.Lock
	}
	if l := look(); l != nil {
		t.Fatalf("%+v", l)
	}
	held, err := lock.Acquire(t.Context(), filepath.Join(dir, ".regctl/lock"), "regctl gc", 0)
	if err != nil {
		t.Fatal(err)
	}
	if l := look(); l == nil || l.PID != os.Getpid() || l.Command != "regctl gc" {
		t.Errorf("%+v", l)
	}
	held.Release()
	if l := look(); l != nil {
		t.Errorf("%+v", l)
	}
}

func TestMemory(t *testing.T) {
	if m := memory("MemTotal:        4000 kB\nMemFree: 7 kB\nMemAvailable:    1000 kB\n"); m.Total != 4000<<10 || m.Available != 1000<<10 {
		t.Errorf("%+v", m)
	}
}

// A log that is young is not read on; an old one gives each user's last time,
// however it comes in pieces.
func TestSeenUsers(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	line := func(days int, user string) string {
		return fmt.Sprintf("{\"time\":%q,\"user\":%q,\"path\":\"/v2/\"}\n", now.AddDate(0, 0, -days).Format(time.RFC3339), user)
	}
	users := func() (*seenUsers, *accesslog.Reader) {
		w := &seenUsers{now: now, last: map[string]time.Time{}}
		return w, &accesslog.Reader{Each: w.read}
	}
	w, out := users()
	text := "nginx: [notice] hello\n" + line(60, "ann") + line(50, "") + line(3, "bob") + line(2, "ann") + `{"time":"20`
	for _, c := range []byte(text) {
		if _, err := out.Write([]byte{c}); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.last) != 2 || !w.last["ann"].Equal(now.AddDate(0, 0, -2)) || !w.first.Equal(now.AddDate(0, 0, -60)) {
		t.Errorf("%+v", w)
	}
	_, out = users()
	if _, err := out.Write([]byte(line(29, "ann"))); err != errYoungLog {
		t.Error(err)
	}
}

// A schedule that is missing is installed by --fix, and only then.
func TestDoctorFixesTheSchedule(t *testing.T) {
	h := newScheduledHost(t)
	run := func(args ...string) doctorResult {
		t.Helper()
		app, out, errs := inProcess(append([]string{"doctor", "-C", h.dir, "--json"}, args...)...)
		app.Systemd = h.systemd
		app.Run(t.Context())
		var r doctorResult
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v: %s %s", err, out, errs)
		}
		return r
	}
	has := func(r doctorResult) bool {
		for _, f := range r.Findings {
			if f.ID == "RC056" {
				return true
			}
		}
		return false
	}
	if r := run(); !has(r) {
		t.Fatalf("%+v", r)
	}
	if r := run("--fix", "--dry-run"); !has(r) || len(r.Fixes) == 0 {
		t.Fatalf("%+v", r)
	}
	if systemd, cron := h.has(); systemd || cron {
		t.Fatal("a dry run installed it")
	}
	r := run("--fix")
	systemd, _ := h.has()
	for _, f := range r.Fixes {
		// The program of these tests lies where files do not last, which is refused.
		if f.What == "install what is to run by itself" && (f.Error == "") != systemd {
			t.Errorf("%+v, installed: %v", f, systemd)
		}
		if f.Error != "" && !strings.Contains(f.Error, "lies where files do not last") {
			t.Errorf("%+v", f)
		}
	}
}

// Who gives up gets no findings.
func TestDoctorInterrupted(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	app, out, errs := inProcess("doctor", "-C", dir)
	if status := app.Run(ctx); status != 130 || out.Len() > 0 || errs.String() != "regctl: interrupted\n" {
		t.Errorf("%d %q %q", status, out, errs)
	}
}
