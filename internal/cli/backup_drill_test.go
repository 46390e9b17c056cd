package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/drill"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// What is kept of a drill is its verdict, or that it has none for a reason that
// lies in the backup or the disk, and when one passed last.
func TestWhatIsKeptOfADrill(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	app, _, _ := inProcess()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	app.Now = func() time.Time { return now }
	at := site{d: &deployment{Layout: compose.Layout{Dir: dir}, cfg: config.New("p", "localhost", config.ModeSelfSigned)}}
	if last := readDrill(at.d.Layout); last != nil {
		t.Fatalf("%+v", last)
	}
	first := now
	for _, step := range []struct {
		what   string
		passed bool
		err    error
		kept   bool // as what is told last
	}{
		{"no engine", false, engine.ErrUnavailable, false},
		{"passed", true, nil, true},
		{"another is at work", false, &lock.HeldError{}, false},
		{"the store is locked", false, &backup.BusyError{}, false},
		{"the image cannot be had", false, engine.ErrImage, false},
		{"the target is out of reach", false, &insideError{Text: "no route", Status: statusOutside}, false},
		{"a slip", false, backup.ErrNothingMatches, false},
		{"failed", false, nil, true},
		{"no room", false, backup.ErrSpace, true},
	} {
		now = now.Add(time.Hour)
		if step.what == "passed" {
			first = now
		}
		res := &drillResult{Snapshot: step.what, Passed: step.passed, Image: at.d.cfg.Registry.Image}
		for range 30 {
			res.Unpullable = append(res.Unpullable, drill.Unpullable{Repository: "a"})
		}
		app.rememberDrill(t.Context(), at, res, step.err)
		last := readDrill(at.d.Layout)
		if got := last != nil && last.Snapshot == step.what; got != step.kept {
			t.Fatalf("%s: kept %+v", step.what, last)
		}
		if !step.kept {
			continue
		}
		if !last.At.Equal(now) || last.Passed != step.passed || len(last.Unpullable) != fewUnpullable || last.LastPassed == nil || !last.LastPassed.Equal(first) {
			t.Errorf("%s: %+v", step.what, last)
		}
		if step.err != nil && last.Error != step.err.Error() {
			t.Errorf("%s: %q", step.what, last.Error)
		}
	}
	app.rememberDrill(t.Context(), at, &drillResult{Snapshot: "another registry", Image: "registry:2"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	app.rememberDrill(ctx, at, &drillResult{Snapshot: "given up", Image: at.d.cfg.Registry.Image}, ctx.Err())
	if last := readDrill(at.d.Layout); last.Snapshot != "no room" {
		t.Errorf("given up: %+v", last)
	}
}

// What failed stays told until a drill passed on it.
func TestPartOfADrill(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	app, _, _ := inProcess()
	var errs bytes.Buffer
	app.ui = ui.UI{Err: &errs}
	at := site{d: &deployment{Layout: compose.Layout{Dir: dir}, cfg: config.New("p", "localhost", config.ModeSelfSigned)}}
	drilled := func(name string, partial bool, failed []string, err error, tried ...string) {
		t.Helper()
		res := &drillResult{Snapshot: name, Image: at.d.cfg.Registry.Image, Partial: partial, Passed: len(failed) == 0 && err == nil, names: tried}
		res.Failed = len(failed)
		for _, repo := range failed {
			res.Unpullable = append(res.Unpullable, drill.Unpullable{Repository: repo})
		}
		app.rememberDrill(t.Context(), at, res, err)
	}
	last := func(want string) {
		t.Helper()
		if got := readDrill(at.d.Layout); got.Snapshot != want {
			t.Errorf("told is %+v, not %s", got, want)
		}
	}
	drilled("whole", false, []string{"a", "b", "b"}, nil, "a", "b", "c")
	drilled("elsewhere", true, nil, nil, "a", "c")
	last("whole")
	if !strings.Contains(errs.String(), "which failed on more than this one tried") {
		t.Errorf("%s", errs.String())
	}
	drilled("there", true, nil, nil, "a", "b")
	last("there")
	drilled("a part fails", true, []string{"c"}, nil, "c")
	last("a part fails")
	drilled("whole again", false, nil, nil, "a", "b", "c")
	last("whole again")
	drilled("no room", false, nil, backup.ErrSpace)
	drilled("so a part", true, nil, nil, "a")
	last("so a part")
	many := make([]string, fewUnpullable+1)
	drilled("more than is kept", false, many, nil)
	drilled("nobody knows", true, nil, nil, "")
	last("more than is kept")
}

// What failed on one repository is told through all that is drilled on others, and
// through runs without a verdict, until a drill passes on everything.
func TestFailureOfADrillStays(t *testing.T) {
	type step struct {
		partial  bool
		failed   string // a repository
		problem  string // a blob that could not be restored
		err      error
		tried    []string
		tells    string // the repositories
		problems int    // how many blobs are told
	}
	all := []string{"a", "b", "c"}
	for name, steps := range map[string][]step{
		"a part fails elsewhere, then passes": {
			{failed: "a", tried: all, tells: "a"},
			{partial: true, failed: "b", tried: []string{"b"}, tells: "b a"},
			{partial: true, tried: []string{"b"}, tells: "b a"},
			{tried: all},
		},
		"no room, then a part passes": {
			{failed: "a", tried: all, tells: "a"},
			{err: backup.ErrSpace, tells: "a"},
			{partial: true, tried: []string{"b"}, tells: "a"},
			{partial: true, tried: []string{"a"}},
		},
		"no room, then all passes": {
			{failed: "a", tried: all, tells: "a"},
			{err: backup.ErrSpace, tells: "a"},
			{tried: all},
		},
		"a blob that none of what is pulled needs": {
			{problem: "x", tried: all, problems: 1},
			{partial: true, failed: "b", tried: []string{"b"}, tells: "b", problems: 1},
			{partial: true, tried: []string{"b"}, tells: "b", problems: 1},
			{tried: all},
		},
		"the blob comes again": {
			{failed: "a", problem: "a", tried: all, tells: "a", problems: 1},
			{partial: true, failed: "b", problem: "b", tried: []string{"b"}, tells: "b a", problems: 2},
			{partial: true, failed: "c", tried: []string{"a", "c"}, tells: "c b", problems: 1},
			{partial: true, tried: []string{"b", "c"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
			app, _, errs := inProcess()
			app.ui = ui.UI{Err: errs}
			d := &deployment{Layout: compose.Layout{Dir: dir}, cfg: config.New("p", "localhost", config.ModeSelfSigned)}
			for i, s := range steps {
				res := &drillResult{Image: d.cfg.Registry.Image, Partial: s.partial, names: s.tried, Passed: s.failed+s.problem == "" && s.err == nil}
				if s.failed != "" {
					res.Failed, res.Unpullable = 1, []drill.Unpullable{{Repository: s.failed, Cause: storage.SHA256.Of([]byte(s.failed))}}
				}
				if s.problem != "" {
					res.Problems = []backup.Problem{{ID: backup.ObjectMissing, Digest: storage.SHA256.Of([]byte(s.problem))}}
				}
				app.rememberDrill(t.Context(), site{d: d}, res, s.err)
				last := readDrill(d.Layout)
				var tells []string
				for _, u := range last.Unpullable {
					tells = append(tells, u.Repository)
				}
				if got := strings.Join(tells, " "); got != s.tells || last.Failed != len(tells) || len(last.Problems) != s.problems {
					t.Errorf("step %d tells of %q (%d), %d problems; want %q, %d", i, got, last.Failed, len(last.Problems), s.tells, s.problems)
				}
				var told statusResult
				told.drill(d)
				if well := s.tells == "" && s.problems == 0; well != (len(told.Problems) == 0) {
					t.Errorf("step %d: status tells %q", i, told.Problems)
				}
			}
		})
	}
}

func TestRoomForDrill(t *testing.T) {
	if err := roomForDrill(t.TempDir(), 1); err != nil {
		t.Error(err)
	}
	err := roomForDrill(t.TempDir(), 1<<60)
	if !errors.Is(err, backup.ErrSpace) || !strings.Contains(err.Error(), "1024.0 PiB") || advice.Of(err) == "" {
		t.Errorf("%v; %s", err, advice.Of(err))
	}
}

func TestDraw(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for part, want := range map[float64]int{1: 10, 0.2: 2, 0.25: 3, 0.001: 1} {
		got := draw(slices.Clone(all), part)
		slices.Sort(got)
		if len(got) != want || len(slices.Compact(got)) != want {
			t.Errorf("%v of 10: %v", part, got)
		}
	}
	if got := draw(nil, 0.5); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
	drawn := map[string]bool{}
	for range 200 {
		drawn[draw(slices.Clone(all), 0.1)[0]] = true
	}
	if len(drawn) < 5 {
		t.Errorf("in 200 draws only %v", drawn)
	}
}

func TestDrillText(t *testing.T) {
	digest := storage.SHA256.Of(nil)
	r := &drillResult{From: "/store", Snapshot: "S", Time: time.Date(2026, 6, 1, 12, 0, 0, 0, time.Local), Image: "registry:3", Of: 9,
		Result: drill.Result{Repositories: 2, Tags: 1, Manifests: 3, Blobs: 4, Bytes: 1 << 20, Failed: 60}}
	for i := range 60 {
		r.Unpullable = append(r.Unpullable, drill.Unpullable{Repository: "a", Tag: fmt.Sprint("v", i), Cause: digest, Message: "the registry answers 404"})
	}
	r.Problems = []backup.Problem{{ID: backup.ObjectMissing, Digest: digest, Path: "p", Message: "is not in the backup"}}
	explain(r)
	var b bytes.Buffer
	r.Text(&b)
	for _, want := range []string{"60 do not come whole:\n  a:v0: " + digest.String() + ": is not in the backup (backup-blob-missing)\n", "  … and 10 more\n",
		"! p: is not in the backup (backup-blob-missing)\ndrill FAILED: snapshot S of 2026-06-01 12:00:00 from /store\n",
		"pulled from registry:3: 2 repositories, 1 tag, 3 manifests, 1.0 MiB in 4 blobs; "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	r.Passed, r.Partial, r.Failed, r.Problems = true, true, 0, nil
	b.Reset()
	r.Text(&b)
	if want := "drill passed: snapshot S of 2026-06-01 12:00:00 (a part: 2 of 9 repositories) from /store\n"; !strings.HasPrefix(b.String(), want) {
		t.Errorf("%s", b.String())
	}
}

// What would keep work on backups from being done is told before it is found out
// at night.
func TestWhatKeepsScheduledBackupsFromWorking(t *testing.T) {
	for want, c := range map[string]struct {
		s config.Schedule
		b config.Backup
	}{
		"": {config.Schedule{Backup: "daily", Drill: "monthly", Prune: "weekly"}, config.Backup{Target: "/mnt", KeepDaily: 7}},
		"schedule.backup is set, and backup.target names no place":       {config.Schedule{Backup: "daily", Drill: "off", Prune: "off"}, config.Backup{}},
		"schedule.drill is set, and backup.target names no place":        {config.Schedule{Backup: "off", Drill: "daily", Prune: "off"}, config.Backup{}},
		"schedule.backup is set, and backup.credentials names no file":   {config.Schedule{Backup: "daily", Drill: "off", Prune: "off"}, config.Backup{Target: "s3://b/p"}},
		"schedule.drill is set, and backup.identity names no file":       {config.Schedule{Backup: "daily", Drill: "daily", Prune: "off"}, config.Backup{Target: "/mnt", Recipients: []string{"age1"}}},
		"schedule.prune is set, and nothing says which backups stay":     {config.Schedule{Backup: "off", Drill: "off", Prune: "daily"}, config.Backup{Target: "/mnt"}},
		"schedule.prune is set, and backup.credentials names no file":    {config.Schedule{Backup: "off", Drill: "off", Prune: "daily"}, config.Backup{Target: "s3://b", KeepLast: 1}},
		"schedule.backup is set, and backup.target names no place for b": {config.Schedule{Backup: "daily", Drill: "off", Prune: "off"}, config.Backup{KeepLast: 3}},
	} {
		got := strings.Join(bound(&config.Config{Schedule: c.s, Backup: c.b}), "\n")
		if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}
