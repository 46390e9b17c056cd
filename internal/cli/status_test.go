package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/lock"
)

func TestStatusOfErrors(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx  context.Context
		err  error
		want int
	}{
		"none":                    {t.Context(), nil, 0},
		"any":                     {t.Context(), errors.New("x"), 1},
		"usage":                   {t.Context(), usagef("x"), 2},
		"problems":                {t.Context(), errProblems, 3},
		"configuration":           {t.Context(), &config.Invalid{}, 4},
		"flags":                   {t.Context(), &flagFaults{Invalid: config.Invalid{}}, 4},
		"no deployment":           {t.Context(), errNoDeployment, 4},
		"contradiction":           {t.Context(), errContradicts, 4},
		"no engine":               {t.Context(), engine.ErrUnavailable, 5},
		"no image":                {t.Context(), engine.ErrImage, 5},
		"no Compose":              {t.Context(), compose.ErrNoCompose, 5},
		"port":                    {t.Context(), errPort, 5},
		"locked":                  {t.Context(), &lock.HeldError{}, 6},
		"interrupted":             {ended, context.Canceled, 130},
		"wrapped":                 {t.Context(), advice.With(fmt.Errorf("x: %w", engine.ErrUnavailable), "y"), 5},
		"joined":                  {t.Context(), errors.Join(errors.New("x"), &lock.HeldError{}), 6},
		"interrupted, then more":  {ended, errors.Join(context.Canceled, errors.New("x")), 130},
		"cancelled by itself":     {t.Context(), context.Canceled, 1},
		"failed, then signalled":  {ended, errors.New("x"), 1},
		"a bound that was passed": {t.Context(), context.DeadlineExceeded, 1},
	}
	for name, tt := range tests {
		if got := status(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%s: status %d, want %d", name, got, tt.want)
		}
	}
}

// An error is one line, then what belongs to it, then what to do.
func TestReport(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"plain":     {errors.New("x"), "regctl: x\n"},
		"hint":      {advice.With(errors.New("x"), "do y"), "regctl: x\nhint: do y\n"},
		"two lines": {errors.New("a library's\nown words\n"), "regctl: a library's; own words\n"},
		"joined":    {errors.Join(errors.New("x"), errors.New("y")), "regctl: x; y\n"},
		"log":       {advice.With(&logError{errors.New("x"), "l1\n\nl2\n"}, "do y"), "regctl: x\n  l1\n  \n  l2\nhint: do y\n"},
		"usage":     {usagef("x"), "regctl: x\nhint: regctl --help, regctl COMMAND --help\n"},
		"problems":  {errProblems, ""},
		"none":      {nil, ""},
	}
	for name, tt := range tests {
		app, out, errs := inProcess()
		app.report(t.Context(), tt.err)
		if got := strings.ReplaceAll(errs.String(), "  \n", "\n"); got != strings.ReplaceAll(tt.want, "  \n", "\n") || out.Len() > 0 {
			t.Errorf("%s: %q, want %q; on standard output %q", name, got, tt.want, out)
		}
	}
}

// Ctrl-C while a change waits for another's ends it, with nothing done.
func TestInterruptedWhileWaiting(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost")
	l := compose.Layout{Dir: dir}
	held, err := lock.Acquire(t.Context(), l.UserLockPath(), "regctl other", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel := context.WithCancel(t.Context())
	app, out, errs := inProcess("user", "add", "bob", "-C", dir)
	ended := make(chan int)
	go func() { ended <- app.Run(ctx) }()
	cancel() // before or while it waits
	if status := <-ended; status != 130 || errs.String() != "regctl: interrupted\n" || out.Len() > 0 {
		t.Errorf("status %d, %q, on standard output %q", status, errs, out)
	}
	if out := mustRun(t, "user", "ls", "-C", dir); strings.Contains(out, "bob") {
		t.Errorf("the user was added:\n%s", out)
	}
}

// What was counted in time, and what was not.
func TestMeasured(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	s, err := measured("disk 1000 400\nrepositories 3\ntags 7\nkib 90\n", now)
	if err != nil || !s.live || *s.Repositories != 3 || *s.Tags != 7 || *s.Bytes != 90<<10 || s.DiskFree != 400<<10 || s.DiskTotal != 1000<<10 || !s.Counted.Equal(now) {
		t.Errorf("%+v %v", s, err)
	}
	for _, cut := range []string{"disk 1000 400\n", "disk 1000 400\nrepositories 3\ntags 7\nkib ", "disk 1000 400\nrepositories 3\nTerminated\n"} {
		if s, err := measured(cut, now); err != nil || s.live || s.Counted != nil || s.DiskFree != 400<<10 {
			t.Errorf("%q: %+v %v", cut, s, err)
		}
	}
	if _, err := measured("sh: cd: no such directory\n", now); err == nil {
		t.Error("nothing was counted, and that is no error")
	}
}

func TestLastDrillRow(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.Local)
	before := at.Add(-24 * time.Hour)
	for want, d := range map[string]*drillStatus{
		"never": nil,
		"2026-06-01 12:00 passed: 1 tag, 1.0 MiB":              {Time: at, Passed: true, Tags: 1, Bytes: 1 << 20, LastPassed: &at},
		"2026-06-01 12:00 passed: 2 tags, 3 B (a part)":        {Time: at, Passed: true, Partial: true, Tags: 2, Bytes: 3},
		"2026-06-01 12:00 FAILED, and none passed before":      {Time: at},
		"2026-06-01 12:00 FAILED, one passed 2026-05-31 12:00": {Time: at, LastPassed: &before},
	} {
		if got := strings.Join(d.row(), " "); got != "last drill "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Of what the registry says of itself its own metrics are taken, with the project.
func TestRegistryMetrics(t *testing.T) {
	const text = `# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 21
# HELP registry_http_in_flight_requests The in-flight HTTP requests
# TYPE registry_http_in_flight_requests gauge
registry_http_in_flight_requests{handler="base"} 0
registry_http_request_duration_seconds_bucket{handler="blob",method="get",le="+Inf"} 3
registry_storage_cache_total 1.5e+06
registry_storage_cache_total{type="Hit"} 1 1700000000000
process_open_fds 12
wget: registry_of nothing
registry_cut_off{handler="ba
`
	const want = `# HELP registry_http_in_flight_requests The in-flight HTTP requests
# TYPE registry_http_in_flight_requests gauge
registry_http_in_flight_requests{project="a\"b",handler="base"} 0
registry_http_request_duration_seconds_bucket{project="a\"b",handler="blob",method="get",le="+Inf"} 3
registry_storage_cache_total{project="a\"b"} 1.5e+06
`
	var b strings.Builder
	writeRegistryMetrics(&b, text, `a"b`)
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

// The format is that of Prometheus, golden.
func TestMetrics(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	three, size := 3, int64(1)<<40
	r := &statusResult{Project: `a"b\c`, Answers: true, Users: 2, LastGC: &at, Problems: []string{"x"},
		Services:    []serviceStatus{{Name: "registry", State: "running", Health: "healthy", Restarts: 4}, {Name: "nginx", State: "absent"}},
		Certificate: certificateStatus{OnDisk: &certificateInfo{NotAfter: at}},
		Storage:     &storageStatus{Repositories: &three, Tags: &three, Bytes: &size, Counted: &at, DiskFree: 1, DiskTotal: 2},
		LastDrill:   &drillStatus{Time: at.Add(time.Hour), LastPassed: &at}}
	var b strings.Builder
	r.metrics(&b, at)
	for _, line := range []string{
		"# TYPE regctl_up gauge", `regctl_up{project="a\"b\\c"} 1`,
		`regctl_service_running{project="a\"b\\c",service="registry"} 1`, `regctl_service_running{project="a\"b\\c",service="nginx"} 0`,
		"# TYPE regctl_service_restarts_total counter", `regctl_service_restarts_total{project="a\"b\\c",service="registry"} 4`,
		`regctl_certificate_not_after_seconds{project="a\"b\\c",where="disk"} 1780272000`,
		`regctl_images_bytes{project="a\"b\\c"} 1099511627776`, `regctl_last_gc_seconds{project="a\"b\\c"} 1780272000`,
		`regctl_problems{project="a\"b\\c"} 1`,
		`regctl_last_drill_seconds{project="a\"b\\c"} 1780275600`, `regctl_last_drill_passed{project="a\"b\\c"} 0`,
		`regctl_last_drill_passed_seconds{project="a\"b\\c"} 1780272000`,
	} {
		if strings.Count(b.String(), line+"\n")+strings.Count(b.String(), line) < 2 {
			t.Errorf("%q is not once in\n%s", line, b.String())
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "# TYPE") && seen[line] {
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
	}
	if strings.Contains(b.String(), `where="served"`) || strings.Contains(b.String(), "next_renewal") {
		t.Errorf("what is not known is in it:\n%s", b.String())
	}
}
