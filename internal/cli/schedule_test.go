package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/schedule"
)

// scheduledHost is a host with a systemd and a cron that are two scripts, and a
// deployment on it.
type scheduledHost struct {
	t       *testing.T
	dir     string
	systemd schedule.Systemd
	table   string // the crontab
}

func newScheduledHost(t *testing.T) *scheduledHost {
	t.Helper()
	root := t.TempDir()
	h := &scheduledHost{t: t, dir: filepath.Join(root, "registry"), table: filepath.Join(root, "table"),
		systemd: schedule.Systemd{Units: filepath.Join(root, "units"), Stamps: root, Booted: root}}
	bin := filepath.Join(root, "bin")
	for _, dir := range []string{h.dir, h.systemd.Units, bin} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		filepath.Join(h.dir, "regctl.yaml"): "version: 1\nproject: registry\ndomain: localhost\n",
		filepath.Join(bin, "crontab"): `#!/bin/sh
case $1 in
-l) cat "$TABLE" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-r) rm "$TABLE" ;;
-) cat >"$TABLE" ;;
esac
`,
		filepath.Join(bin, "systemctl"): `#!/bin/sh
case $* in
*--property=Version*) echo Version=252 ;;
*" show "*) printf 'ActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n' ;;
*" list-timers "*) echo '[]' ;;
esac
`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TABLE", h.table)
	return h
}

// run runs regctl schedule there and returns what it printed as JSON.
func (h *scheduledHost) run(args ...string) (scheduleResult, int, string) {
	h.t.Helper()
	app, out, errs := inProcess(append([]string{"schedule", "-C", h.dir, "--json"}, args...)...)
	app.Systemd = h.systemd
	status := app.Run(h.t.Context())
	var r scheduleResult
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			h.t.Fatalf("%v: %v in %s", args, err, out)
		}
	}
	return r, status, errs.String()
}

func (h *scheduledHost) has() (systemd, cron bool) {
	h.t.Helper()
	units, err := os.ReadDir(h.systemd.Units)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = os.Stat(h.table)
	return len(units) > 0, err == nil
}

// Without a flag it is systemd where it runs; with the other flag everything
// moves there, and is never in both.
func TestScheduleChoosesAndMoves(t *testing.T) {
	h := newScheduledHost(t)
	for _, step := range []struct {
		args          []string
		scheduler     string
		changed       bool
		systemd, cron bool
	}{
		{[]string{"install", "--force", "--dry-run"}, "systemd", true, false, false},
		{[]string{"install", "--force"}, "systemd", true, true, false},
		{[]string{"install", "--force"}, "systemd", false, true, false},
		{[]string{"install", "--force", "--cron"}, "cron", true, false, true},
		{[]string{"install", "--force"}, "cron", false, false, true},
		{[]string{"show"}, "cron", false, false, true},
		{[]string{"remove", "--systemd"}, "", false, false, true},
		{[]string{"install", "--force", "--systemd"}, "systemd", true, true, false},
		{[]string{"remove", "--dry-run"}, "systemd", true, true, false},
		{[]string{"remove"}, "systemd", true, false, false},
		{[]string{"remove"}, "", false, false, false},
	} {
		r, status, errs := h.run(step.args...)
		// 3: no cron daemon runs where the tests do.
		if status != 0 && !(status == 3 && r.Scheduler == "cron" && len(r.Problems) == 1 && strings.Contains(r.Problems[0], "no cron daemon")) {
			t.Fatalf("%v: status %d, %s %v", step.args, status, errs, r.Problems)
		}
		if r.Scheduler != step.scheduler || r.Changed != step.changed {
			t.Errorf("%v: scheduler %q, changed %v", step.args, r.Scheduler, r.Changed)
		}
		if systemd, cron := h.has(); systemd != step.systemd || cron != step.cron {
			t.Fatalf("%v: left systemd %v, cron %v", step.args, systemd, cron)
		}
	}
}

// Something that was copied into both places is told, and mended.
func TestScheduleInBoth(t *testing.T) {
	h := newScheduledHost(t)
	h.run("install", "--force", "--cron")
	table, err := os.ReadFile(h.table)
	if err != nil {
		t.Fatal(err)
	}
	h.run("install", "--force", "--systemd")
	if err := os.WriteFile(h.table, table, 0o600); err != nil {
		t.Fatal(err)
	}
	r, status, _ := h.run("show")
	if status != 3 || !strings.Contains(strings.Join(r.Problems, "\n"), "it runs twice") {
		t.Errorf("status %d, %v", status, r.Problems)
	}
	if r, status, _ := h.run("install", "--force"); status != 0 || r.Scheduler != "systemd" || !r.Changed {
		t.Errorf("status %d, %+v", status, r)
	}
	if systemd, cron := h.has(); !systemd || cron {
		t.Errorf("left systemd %v, cron %v", systemd, cron)
	}
}

// Hosts that all ask for the same do not all do it in the same minute.
func TestScheduledTimesDiffer(t *testing.T) {
	times := map[string]bool{}
	for _, domain := range []string{"a.example.com", "b.example.com", "c.example.com", "d.example.com"} {
		app, _, _ := inProcess()
		s, err := app.schedule(&deployment{cfg: config.New("registry", domain, config.ModeSelfSigned)}, "/regctl")
		if err != nil {
			t.Fatal(err)
		}
		times[s.Jobs[0].When.String()] = true
	}
	if len(times) != 4 {
		t.Errorf("times are %v", times)
	}
}

// Every key under schedule is a command that can be run, and the other way
// round.
func TestEveryScheduleKeyIsAJob(t *testing.T) {
	data, err := json.Marshal(config.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]string
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, j := range scheduled {
		names = append(names, j.name)
	}
	slices.Sort(names)
	if want := sortedKeys(keys); !slices.Equal(names, want) {
		t.Errorf("jobs are %v, keys %v", names, want)
	}
}

func TestLasting(t *testing.T) {
	for path, good := range map[string]bool{
		"/usr/local/bin/regctl": true, "/opt/tmp/regctl": true, "/tmpfs/regctl": true, "/home/me/bin/regctl": true,
		"/tmp/regctl": false, "/tmp/a/b/regctl": false, "/var/tmp/regctl": false, "/dev/shm/regctl": false, "/run/regctl": false,
	} {
		if err := lasting(path); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Each job is a command line that regctl takes, and asks nobody anything.
func TestEveryJobIsACommand(t *testing.T) {
	for _, j := range scheduled {
		app, _, _ := inProcess()
		root := NewRoot(app)
		cmd, rest, err := root.Find(j.args)
		if err != nil || !cmd.Runnable() || cmd == root {
			t.Errorf("%s: %v is no command: %v", j.name, j.args, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", j.name, err)
		}
		if left := cmd.Flags().Args(); len(left) > 0 {
			t.Errorf("%s: %v has arguments left: %v", j.name, j.args, left)
		}
	}
}
