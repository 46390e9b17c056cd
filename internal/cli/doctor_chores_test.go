package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/doctor"
)

// doctor tells when each chore was done last, whether it runs by itself and how
// often, what it met, and what became of the last drill.
func TestDoctorKnowsOfChores(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	now := time.Date(2026, 6, 10, 12, 0, 0, 0, time.UTC)
	look := func() *doctor.Facts {
		app, _, _ := inProcess()
		app.dir, app.Now = dir, func() time.Time { return now }
		f, err := (&visit{app: app}).gather(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	run := func(f *doctor.Facts, kind string) doctor.Run {
		for _, r := range f.Runs {
			if r.Kind == kind {
				return r
			}
		}
		t.Fatalf("nothing is known of %s: %+v", kind, f.Runs)
		return doctor.Run{}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const day = 24 * time.Hour

	f := look()
	for kind, every := range map[string]time.Duration{"gc": 35 * day, "backup": 8 * day, "fsck": 35 * day} {
		if r := run(f, kind); r.Last != nil || r.Scheduled || r.Damage || r.Every != every || r.Command != "regctl "+kind {
			t.Errorf("%+v", r)
		}
	}
	if f.Drill != nil {
		t.Errorf("a drill without a backup: %+v", f.Drill)
	}

	config, err := os.ReadFile(filepath.Join(dir, "regctl.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write("regctl.yaml", string(config)+"backup: {target: /srv/backup}\nschedule: {backup: 10 4 * * *, drill: 10 5 1 * *}\n")
	write(".regctl/last-backup.json", `{"at":"2026-06-09T04:10:00Z","result":{"problems":[{"id":"blob-corrupt"}]}}`)
	write(".regctl/last-fsck.json", `{"at":"2026-06-08T04:10:00Z","result":{"problems":[]}}`)
	write(".regctl/fsck.json", `{"problems":{"blob-corrupt x":{"first":"2026-06-01T00:00:00Z"}}}`) // by another slice
	f = look()
	if r := run(f, "backup"); r.Last == nil || r.Last.Day() != 9 || !r.Scheduled || r.Every != 3*day || !r.Damage {
		t.Errorf("%+v", r)
	}
	if r := run(f, "fsck"); r.Last == nil || r.Last.Day() != 8 || r.Scheduled || !r.Damage {
		t.Errorf("%+v", r)
	}
	if d := f.Drill; d == nil || d.Last != nil || d.LastPassed != nil || !d.Scheduled || d.Every != 2*31*day+day {
		t.Errorf("%+v", d)
	}

	// The longest gap counts, from Tuesday to Monday: on a Monday the next is short.
	write("regctl.yaml", string(config)+"schedule: {gc: '10 4 * * 1,2'}\n")
	for now.Weekday() != time.Sunday {
		now = now.Add(day)
	}
	if r := run(look(), "gc"); !r.Scheduled || r.Every != 2*6*day+day {
		t.Errorf("%+v", r)
	}
	write("regctl.yaml", string(config)+"backup: {target: /srv/backup}\nschedule: {backup: 10 4 * * *, drill: 10 5 1 * *}\n")

	write(".regctl/last-drill.json", `{"at":"2026-06-02T05:10:00Z","result":{"snapshot":"S","passed":false,"failed":2,
		"unpullable":[{"repository":"a","tag":"v1","digest":"","cause":"","message":"is not there"}],
		"problems":[{"id":"x"}],"error":"","last_passed":"2026-05-01T05:10:00Z"}}`)
	d := look().Drill
	if d == nil || d.Last == nil || d.Last.Day() != 2 || d.Passed || d.Snapshot != "S" || d.Failed != 2 || d.Problems != 1 || d.First != "a:v1: is not there" ||
		d.LastPassed == nil || d.LastPassed.Month() != time.May {
		t.Errorf("%+v", d)
	}
	write(".regctl/last-drill.json", `{"at":"2026-`) // cut off: not known
	if d := look().Drill; d == nil || d.Last != nil {
		t.Errorf("%+v", d)
	}
}
