//go:build integration

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/doctor"
)

// ailment is something that doctor finds on a stack that was broken so, and that
// is gone once what the finding says was done.
type ailment struct {
	id   string
	seen string // what the finding saw, a part of it
	harm func(t *testing.T, p *patient)
	// What the finding leaves to a person; nil: nothing.
	cure func(t *testing.T, p *patient)
	// A command that the finding names, to be run as it stands there; "": none.
	mend string
	more []string // arguments that only a test needs with it
}

// round is a stack with several ailments at once, and doctor's visit to it.
type round struct {
	name string
	args []string // of doctor
	ills []ailment
	left string // findings that remain, for the next round
}

// patient is a stack that is broken and mended again and again.
type patient struct {
	*deployment
	bin     string // where its crontab is, and what is mounted
	mounts  string // a script that mounts what only doctor is to see
	someone int    // who runs doctor, 0: root
	free    func() // ends what takes a port, a lock or a clock
}

// doctored is what `regctl doctor --json` prints, as far as these tests ask.
type doctored struct {
	Findings []finding
	Fixes    []struct{ What, Error string }
}

type finding struct{ ID, Severity, Seen, Mend string }

// ids are those of the findings, in order, each once.
func (r doctored) ids() string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

// doctor runs regctl doctor; its status has to be that of its findings.
func (d *deployment) doctor(t *testing.T, args ...string) doctored {
	t.Helper()
	return examined(t, d.regctl(t, append([]string{"doctor", "--json"}, args...)...))
}

// doctor is the same in the way that the round asks for.
func (p *patient) doctor(t *testing.T, args ...string) doctored {
	t.Helper()
	args = append([]string{"doctor", "--json"}, args...)
	switch {
	case p.someone != 0:
		return examined(t, p.as(t, p.someone, p.someone, nil, args...))
	case p.mounts != "":
		return examined(t, inside(t, p.deployment, p.mounts+` && exec "$@"`, append([]string{regctlBin}, args...)...))
	}
	return examined(t, p.regctl(t, args...))
}

// examined reads what doctor printed.
func examined(t *testing.T, r result) doctored {
	t.Helper()
	var out doctored
	r.json(t, &out)
	if r.took > time.Minute { // what hangs is given up after 8 s
		t.Errorf("doctor took %s", r.took)
	}
	want := 0
	for _, f := range out.Findings {
		if f.Severity != "note" {
			want = 3
		}
	}
	if r.status != want {
		t.Fatalf("status %d, want %d\n%v", r.status, want, r)
	}
	return out
}

// sees waits until doctor finds exactly these. What was done to a stack takes a
// moment to show: Nginx reloads, a health check comes round.
func (p *patient) sees(t *testing.T, r round, ids string) doctored {
	t.Helper()
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		found := p.doctor(t, r.args...)
		if found.ids() == ids {
			return found
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("doctor found %q, want %q: %+v", found.ids(), ids, found)
		}
	}
}

// treat breaks the stack in every way of the round, has doctor find exactly that,
// does what each finding says, and has doctor find nothing.
func (p *patient) treat(t *testing.T, r round) {
	t.Helper()
	var ids []string
	for _, a := range r.ills {
		ids = append(ids, a.id)
		if a.harm != nil {
			a.harm(t, p)
		}
	}
	slices.Sort(ids)
	found := p.sees(t, r, strings.Join(slices.Compact(ids), " "))
	var commands [][]string
	for _, a := range r.ills {
		i := slices.IndexFunc(found.Findings, func(f finding) bool {
			return f.ID == a.id && strings.Contains(f.Seen, a.seen)
		})
		if i < 0 {
			t.Fatalf("no %s saw %q: %+v", a.id, a.seen, found.Findings)
		}
		if a.mend == "" {
			continue
		}
		command := a.mend + " -C " + p.dir
		if !strings.Contains(found.Findings[i].Mend, command) {
			t.Fatalf("%s does not name %q: %s", a.id, command, found.Findings[i].Mend)
		}
		if words := append(strings.Fields(command)[1:], a.more...); !slices.ContainsFunc(commands, func(c []string) bool { return slices.Equal(c, words) }) {
			commands = append(commands, words)
		}
	}
	for _, a := range r.ills {
		if a.cure != nil {
			a.cure(t, p)
		}
	}
	for _, c := range commands {
		if r := p.regctl(t, c...); r.status != 0 && r.status != 3 { // 3: there is more to be mended
			t.Fatalf("the command of a finding: %v", r)
		}
	}
	p.sees(t, r, r.left)
}

// newPatient is a deployment that is not up yet: its images have a version, and a
// crontab of the test's own is to have its schedule.
func newPatient(t *testing.T, o options) *patient {
	t.Helper()
	p := &patient{bin: ownCrontab(t)}
	o.project = newProject()
	o.nginx = "regctl.local/" + o.project + ":1.0.0"
	tool(t, "docker", "tag", imageNginx, o.nginx)
	removeImage(t, o.nginx)
	tool(t, "cp", "/bin/sleep", filepath.Join(p.bin, "crond"))
	crond := exec.Command(filepath.Join(p.bin, "crond"), "3600") // as long as the test
	if err := crond.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = crond.Process.Kill()
		_ = crond.Wait()
	})
	o.env = []string{pathWith(p.bin)}
	p.deployment = planned(t, o)
	return p
}

// ownCrontab is a directory for PATH with a crontab command that has a table of its
// own: what a test schedules must not come to the table of the machine.
func ownCrontab(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	writeFile(t, filepath.Join(bin, "crontab"), crontab, 0o755)
	return bin
}

func pathWith(bin string) string { return "PATH=" + bin + ":" + os.Getenv("PATH") }

const crontab = `#!/bin/sh
table=${0%/*}/table
case $1 in
-l) cat "$table" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
-r) rm "$table" ;;
-) cat >"$table" ;;
esac
`

// schedule installs the schedule in that crontab.
func (p *patient) schedule(t *testing.T) {
	t.Helper()
	p.must(t, "schedule", "install", "--cron", "--force")
}

// rounds are all rounds of all tests of doctor here.
func rounds() []round {
	return slices.Concat(stackRounds(), hostRounds(), issuedRounds(), nowhereRounds())
}

// Every finding that doctor knows is seen on a stack that was broken so, and is
// seen to be gone.
func TestDoctorIsWholeHere(t *testing.T) {
	tried := map[string]bool{}
	for _, r := range rounds() {
		for _, a := range r.ills {
			tried[a.id] = true
			if a.seen == "" || a.cure == nil && a.mend == "" {
				t.Errorf("round %s, %s: it is not told what is seen, or what mends it", r.name, a.id)
			}
		}
	}
	for _, c := range doctor.Checks() {
		if !tried[c.ID] {
			t.Errorf("no stack is broken so that doctor finds %s: %s", c.ID, c.Title)
		}
		delete(tried, c.ID)
	}
	for id := range tried {
		t.Errorf("doctor has no %s", id)
	}
}
