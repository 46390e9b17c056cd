package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/engine"
)

// runStatusMetrics writes the state for Prometheus. What is not well is in it, and
// is no failure: cron would only send mail beside the alert.
func (a *App) runStatusMetrics(ctx context.Context, file string) error {
	r, err := a.status(ctx)
	if r == nil || err != nil && !errors.Is(err, engine.ErrUnavailable) {
		return err
	}
	if r.Storage != nil && file != "" {
		if l, err := a.layout(); err == nil { // how fast the disk fills
			a.diskHistory(l, []doctor.Disk{{What: diskOfImages, Free: r.Storage.DiskFree, Total: r.Storage.DiskTotal}})
		}
	}
	var b strings.Builder
	r.metrics(&b, a.Now())
	if d, openErr := a.open(); err == nil && openErr == nil && d.cfg.Registry.Metrics {
		text, err := a.registryMetrics(ctx, d)
		if err != nil { // up has not been called since it was switched on, say
			a.ui.Warn("the registry's own metrics are left out: %v", err)
		} else {
			writeRegistryMetrics(&b, text, r.Project)
		}
	}
	if file == "" || a.dryRun {
		_, err := io.WriteString(a.Out, b.String())
		return err
	}
	// For the collector, which is another user.
	return durable.WriteFile(file, []byte(b.String()), 0o644)
}

// metrics writes the state in Prometheus' text format 0.0.4.
func (r *statusResult) metrics(w io.Writer, now time.Time) {
	project := label("project", r.Project)
	family := func(name, kind, help string) func(value float64, labels ...string) {
		head := fmt.Sprintf("# HELP regctl_%s %s\n# TYPE regctl_%s %s\n", name, help, name, kind)
		return func(value float64, labels ...string) {
			fmt.Fprintf(w, "%sregctl_%s{%s} %s\n", head, name, strings.Join(append([]string{project}, labels...), ","), strconv.FormatFloat(value, 'f', -1, 64))
			head = "" // once a family
		}
	}
	gauge := func(name, help string, value float64, labels ...string) {
		family(name, "gauge", help)(value, labels...)
	}
	instant := func(name, help string, t *time.Time) {
		if t != nil {
			gauge(name, help, float64(t.Unix()))
		}
	}
	gauge("up", "The registry answers through the front door.", truth(r.Answers))
	running := family("service_running", "gauge", "The service's container runs.")
	for _, s := range r.Services {
		running(truth(s.State == "running"), label("service", s.Name))
	}
	healthy := family("service_healthy", "gauge", "The service's own health check does not fail.")
	for _, s := range r.Services {
		healthy(truth(s.State == "running" && s.Health != "unhealthy"), label("service", s.Name))
	}
	restarts := family("service_restarts_total", "counter", "Restarts of the service since its container was made.")
	for _, s := range r.Services {
		restarts(float64(s.Restarts), label("service", s.Name))
	}
	ends := family("certificate_not_after_seconds", "gauge", "End of the certificate, Unix time.")
	if c := r.Certificate.OnDisk; c != nil {
		ends(float64(c.NotAfter.Unix()), label("where", "disk"))
	}
	if c := r.Certificate.Served; c != nil {
		ends(float64(c.NotAfter.Unix()), label("where", "served"))
	}
	gauge("certificate_same", "The certificate served is the one on disk.", truth(r.Certificate.Same))
	instant("certificate_next_renewal_seconds", "Next renewal of the certificate, Unix time.", r.Certificate.NextRenewal)
	gauge("users", "How many may log in.", float64(r.Users))
	if s := r.Storage; s != nil {
		gauge("disk_free_bytes", "Room on the disk of the images.", float64(s.DiskFree))
		gauge("disk_size_bytes", "Size of the disk of the images.", float64(s.DiskTotal))
		if s.Counted != nil {
			gauge("repositories", "Repositories.", float64(*s.Repositories))
			gauge("tags", "Tags.", float64(*s.Tags))
			gauge("images_bytes", "Used by images.", float64(*s.Bytes))
			instant("counted_seconds", "When repositories, tags and bytes were counted, Unix time.", s.Counted)
		}
	}
	instant("last_gc_seconds", "Last garbage collection, Unix time.", r.LastGC)
	instant("last_backup_seconds", "Last backup, Unix time.", r.LastBackup)
	instant("last_fsck_seconds", "Last check for damage, Unix time.", r.LastFsck)
	if d := r.LastDrill; d != nil {
		instant("last_drill_seconds", "Last drill of a backup, Unix time.", &d.Time)
		gauge("last_drill_passed", "The last drill of a backup passed.", truth(d.Passed))
		instant("last_drill_passed_seconds", "When a drill of a backup passed the last time, Unix time.", d.LastPassed)
	}
	gauge("problems", "Problems that need a person: see regctl status.", float64(len(r.Problems)))
	instant("status_seconds", "When this was found out, Unix time.", &now)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// label is name="value", escaped as the format asks.
func label(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
