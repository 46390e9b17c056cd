package schedule

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/cron"
)

var update = flag.Bool("update", false, "write the golden files anew")

func times(t testing.TB, text string) cron.Schedule {
	t.Helper()
	s, err := cron.Parse(text)
	if err != nil {
		t.Fatalf("%q %v", text, err)
	}
	return s
}

// plain is what most hosts have.
func plain(t testing.TB) Schedule {
	return Schedule{
		Project: "registry", Dir: "/opt/registry", Binary: "/usr/local/bin/regctl", Home: "/root",
		Environment: []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		Jobs: []Job{{Name: "cert", Title: "Renew the certificate of the registry", Args: []string{"cert", "renew", "-q"},
			When: times(t, "17 */6 * * *"), Limit: time.Hour, Spread: 5 * time.Minute}},
	}
}

// odd has everything that means something to systemd, cron or a shell.
func odd(t testing.TB) Schedule {
	s := plain(t)
	s.Project = "reg-2_x"
	s.Dir = `/srv/50% "of' it$HOME ;*&#`
	s.Binary = `/opt/my tools;&/100%h/regctl`
	s.Environment = append(s.Environment, "DOCKER_HOST=unix:///run/user/1000/docker.sock", `X=%n '$Y' "a b"`)
	s.Jobs = append(s.Jobs, Job{Name: "gc", Title: "Free 100% of what nothing needs", Args: []string{"gc", "-q", "--x=$a %b"},
		When: times(t, "5 4 * * sun"), Idle: true, Limit: 12 * time.Hour, Spread: 10 * time.Minute})
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is rendered (-update writes it anew):\n%s", path, got)
	}
}

func TestGolden(t *testing.T) {
	for _, s := range []Schedule{plain(t), odd(t)} {
		names, files, err := s.units()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			golden(t, name, files[name])
		}
		block, err := s.block()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, s.Project+".crontab", block)
	}
}

// printer is a program that tells what it was run with, to be put in regctl's
// place.
func printer(t *testing.T, path string) {
	t.Helper()
	script := "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done\nprintf '%s|%s|%s\\n' \"$X\" \"$DOCKER_HOST\" \"$PATH\"\n"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fromCrontab is what cron hands to the shell: the command up to the first %
// that has no backslash before it, without the backslashes before the others.
// keep leaves those, as crons do that know of no %.
func fromCrontab(line string, keep bool) string {
	command := strings.SplitN(line, " ", 6)[5]
	if keep {
		return command
	}
	var b strings.Builder
	for i := 0; i < len(command); i++ {
		switch {
		case command[i] == '\\' && i+1 < len(command) && command[i+1] == '%':
			i++
			b.WriteByte('%')
		case command[i] == '%':
			return b.String()
		default:
			b.WriteByte(command[i])
		}
	}
	return b.String()
}

// Paths with anything in them reach regctl as they are, whatever the shell.
func TestCrontabQuoting(t *testing.T) {
	s := odd(t)
	s.Binary = filepath.Join(t.TempDir(), s.Binary)
	printer(t, s.Binary)
	block, err := s.block()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(block, "\n")
	want := "<gc><-q><--x=$a %b><-C><" + s.Dir + ">" + `%n '$Y' "a b"` + "|unix:///run/user/1000/docker.sock|/usr/local/bin:/usr/bin:/bin\n"
	for _, keep := range []bool{false, true} {
		for _, shell := range []string{"sh", "bash"} {
			out, err := exec.Command(shell, "-c", fromCrontab(lines[3], keep)).CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("%s, keep %v: %v\n got %s\nwant %s", shell, keep, err, out, want)
			}
		}
	}
}

// systemd itself reads the units, and has nothing to say about them.
func TestUnitsAgainstSystemd(t *testing.T) {
	for _, s := range []Schedule{plain(t), odd(t)} {
		// It looks whether the program is there.
		s.Binary = filepath.Join(t.TempDir(), s.Binary)
		printer(t, s.Binary)
		names, files, err := s.units()
		if err != nil {
			t.Fatal(err)
		}
		if out := verify(t, names, files); out != "" {
			t.Errorf("systemd-analyze verify:\n%s", out)
		}
		for name, text := range files {
			files[name] = strings.ReplaceAll(text, "Persistent=", "Persistant=")
		}
		if out := verify(t, names, files); !strings.Contains(out, "Persistant") {
			t.Errorf("systemd-analyze verify would have found nothing: %q", out)
		}
	}
}

func verify(t *testing.T, names []string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("systemd-analyze: %v", err)
	}
	// What it says of units that are not ours is about this machine.
	var ours []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "regctl-") {
			ours = append(ours, line)
		}
	}
	if len(ours) == 0 && err != nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	return strings.Join(ours, "")
}

func TestRefusedSchedules(t *testing.T) {
	for name, change := range map[string]func(*Schedule){
		"is no absolute path":             func(s *Schedule) { s.Dir = "registry" },
		`"/opt/../x" is no absolute path`: func(s *Schedule) { s.Binary = "/opt/../x" },
		"control character":               func(s *Schedule) { s.Dir = "/opt/a\n* * * * * root rm -rf /" },
		"has a backslash in it":           func(s *Schedule) { s.Dir = `/opt/a\b` },
		"it is not UTF-8":                 func(s *Schedule) { s.Dir = "/opt/a\xff" },
		"it has '$' in it":                func(s *Schedule) { s.Binary = "/opt/$a/regctl" },
		`it has '"' in it`:                func(s *Schedule) { s.Binary = `/opt/"a/regctl` },
		"is no NAME=value":                func(s *Schedule) { s.Environment = []string{"=x"} },
		"in the name of a unit":           func(s *Schedule) { s.Project = "a/b" },
		"the name of a job":               func(s *Schedule) { s.Jobs = append(s.Jobs, s.Jobs[0]) },
		`"a-b" cannot be the name`:        func(s *Schedule) { s.Jobs[0].Name = "a-b" },
	} {
		s := plain(t)
		change(&s)
		if _, _, err := s.units(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: units: %v", name, err)
		}
		if _, err := s.block(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: block: %v", name, err)
		}
	}
	s := plain(t)
	s.Dir = "/" + strings.Repeat("x", 1000)
	if _, err := s.block(); err == nil || !strings.Contains(err.Error(), "too long for a crontab") {
		t.Errorf("a long line: %v", err)
	}
}
