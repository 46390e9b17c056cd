package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
)

type statusOptions struct {
	watch      bool
	interval   time.Duration
	prometheus bool
	file       string // for it; empty: standard output
}

func newStatusCommand(a *App) *cobra.Command {
	var o statusOptions
	c := &cobra.Command{
		Use:   "status [FILE]",
		Short: "Show services, certificate, users and storage on one screen",
		Long: `Show services, certificate, users and storage on one screen.

It takes no longer than about a second. Repositories, tags and bytes are counted
if that can be done meanwhile; in a large registry they are those of the last
collection, and it says how old they are.

Exit status 3 when a service is not well, the registry does not answer, or the
certificate served is not the one on disk or about to expire.

With --prometheus the same is written for node_exporter's textfile collector, to
FILE at one blow, or without one to standard output. It is then no failure if
something is not well: the file says so. With registry.metrics: true in regctl.yaml
what the registry counts itself is in it too. With --watch and --json each line is
a document.`,
		Example: `  regctl status
  regctl status --prometheus /var/lib/node_exporter/textfile/regctl.prom`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && !o.prometheus:
				return noArgs(cmd, args)
			case len(args) > 1:
				return usagef("%s takes one FILE, got %d arguments", cmd.CommandPath(), len(args))
			case len(args) == 1 && !strings.HasSuffix(args[0], ".prom"):
				return usagef("%s: node_exporter reads no file whose name does not end in .prom", args[0])
			case o.watch && o.prometheus:
				return usagef("--watch and --prometheus do not go together: have cron or a timer write the file")
			case o.prometheus && a.ui.JSON:
				return usagef("--prometheus is a format of its own: no --json with it")
			case o.interval < time.Second:
				return usagef("--interval is a second at least")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.file = args[0]
			}
			switch {
			case o.prometheus:
				return a.runStatusMetrics(cmd.Context(), o.file)
			case o.watch:
				return a.runStatusWatch(cmd.Context(), o.interval)
			}
			return a.runStatus(cmd.Context())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.watch, "watch", false, "go on showing it until interrupted")
	f.DurationVar(&o.interval, "interval", 5*time.Second, "of --watch")
	f.BoolVar(&o.prometheus, "prometheus", false, "write it as Prometheus reads it")
	return c
}

// statusResult is the state of a deployment. What could not be found out is
// null, and problems says why.
type statusResult struct {
	Dir         string            `json:"dir" doc:"deployment directory"`
	Project     string            `json:"project" doc:"Compose project"`
	URL         string            `json:"url" doc:"front door"`
	State       string            `json:"state" doc:"up, degraded, down or unknown"`
	Answers     bool              `json:"answers" doc:"GET /v2/ answers 401 through the front door"`
	Services    []serviceStatus   `json:"services" doc:"registry, auth and nginx"`
	Certificate certificateStatus `json:"certificate" doc:"of the front door"`
	Users       int               `json:"users" doc:"how many may log in"`
	Storage     *storageStatus    `json:"storage" doc:"of the images; null when nothing of it is known"`
	LastGC      *time.Time        `json:"last_gc" doc:"time, null: never"`
	LastBackup  *time.Time        `json:"last_backup" doc:"time, null: never"`
	LastFsck    *time.Time        `json:"last_fsck" doc:"time, null: never"`
	LastDrill   *drillStatus      `json:"last_drill" doc:"of a backup; null: never"`
	Problems    []string          `json:"problems" doc:"what needs a person; not empty: exit status 3"`
}

// drillStatus is what became of the last drill.
type drillStatus struct {
	Time       time.Time  `json:"time" doc:"when it ended"`
	Snapshot   string     `json:"snapshot" doc:"that was restored"`
	Passed     bool       `json:"passed" doc:"everything came whole"`
	Partial    bool       `json:"partial" doc:"only some repositories were tried"`
	Tags       int        `json:"tags" doc:"that came whole"`
	Bytes      int64      `json:"bytes" doc:"that came"`
	Failed     int        `json:"failed" doc:"tags, and manifests without one, that did not come whole"`
	Error      string     `json:"error" doc:"why there is no verdict; empty: there is one"`
	LastPassed *time.Time `json:"last_passed" doc:"when a drill passed the last time; null: never"`
}

func (s *drillStatus) row() []string {
	if s == nil {
		return []string{"last drill", "never"}
	}
	at := s.Time.Local().Format("2006-01-02 15:04")
	if s.Passed {
		what := fmt.Sprintf("passed: %s, %s", count(s.Tags, "tag"), ui.Bytes(s.Bytes))
		if s.Partial {
			what += " (a part)"
		}
		return []string{"last drill", at, what}
	}
	passed := ", and none passed before"
	if s.LastPassed != nil {
		passed = ", one passed " + s.LastPassed.Local().Format("2006-01-02 15:04")
	}
	return []string{"last drill", at, "FAILED" + passed}
}

type serviceStatus struct {
	Name     string     `json:"name" doc:"of the service"`
	State    string     `json:"state" doc:"of its container: running, restarting, exited, …; absent without one"`
	Health   string     `json:"health" doc:"starting, healthy, unhealthy, or empty"`
	Image    string     `json:"image" doc:"reference"`
	Started  *time.Time `json:"started" doc:"time"`
	Restarts int        `json:"restarts" doc:"since it was made"`
}

// condition is state and health in words. One that does not run has no health, but
// the engine goes on telling the last.
func (s serviceStatus) condition() string {
	if s.State != "running" || s.Health == "" {
		return s.State
	}
	return s.State + ", " + s.Health
}

type certificateStatus struct {
	Mode        string           `json:"mode" doc:"letsencrypt, selfsigned or files"`
	OnDisk      *certificateInfo `json:"on_disk" doc:"the pair to be served"`
	Served      *certificateInfo `json:"served" doc:"what the port shows; null when nothing answers"`
	Same        bool             `json:"same" doc:"both are one"`
	NextRenewal *time.Time       `json:"next_renewal" doc:"time, null: not planned"`
}

type certificateInfo struct {
	Names       []string  `json:"names" doc:"DNS names and addresses"`
	Issuer      string    `json:"issuer" doc:"who signed it"`
	NotAfter    time.Time `json:"not_after" doc:"time of its end"`
	DaysLeft    int       `json:"days_left" doc:"whole days, negative when over"`
	Serial      string    `json:"serial" doc:"hexadecimal"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256, hexadecimal"`
}

// storageStatus is what lies on the data volume; sizes in bytes. What is not known
// is null.
type storageStatus struct {
	Repositories *int       `json:"repositories" doc:"count; null: not known"`
	Tags         *int       `json:"tags" doc:"count; null: not known"`
	Bytes        *int64     `json:"bytes" doc:"used by the registry on its volume; null: not known"`
	Counted      *time.Time `json:"counted" doc:"when these were counted: now, or at the last collection; null: not known"`
	DiskFree     int64      `json:"disk_free" doc:"bytes"`
	DiskTotal    int64      `json:"disk_total" doc:"bytes"`

	live bool // counted now
}

func (r statusResult) Text(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n", r.URL, r.State)
	rows := [][]string{}
	for _, s := range r.Services {
		state := s.condition()
		if s.Restarts > 0 {
			state += fmt.Sprintf(", restarted %d times", s.Restarts)
		}
		rows = append(rows, []string{s.Name, state, s.Image})
	}
	if c := r.Certificate.OnDisk; c != nil {
		served := "served"
		if !r.Certificate.Same {
			served = "NOT the one served"
		}
		if r.Certificate.Served == nil {
			served = "not served now"
		}
		until := fmt.Sprintf("%s, until %s", r.Certificate.Mode, c.NotAfter.Format(time.DateOnly))
		if next := r.Certificate.NextRenewal; next != nil {
			until += ", next renewal " + next.UTC().Format("2006-01-02 15:04Z")
		}
		rows = append(rows, []string{"certificate", fmt.Sprintf("%d days left, %s", c.DaysLeft, served), until})
	}
	rows = append(rows, []string{"users", fmt.Sprint(r.Users)})
	if s := r.Storage; s != nil {
		if s.Counted != nil {
			size := ui.Bytes(*s.Bytes)
			if !s.live {
				size += ", counted " + s.Counted.Local().Format("2006-01-02 15:04")
			}
			rows = append(rows, []string{"images", count(*s.Repositories, "repository") + ", " + count(*s.Tags, "tag"), size})
		}
		rows = append(rows, []string{"disk", ui.Bytes(s.DiskFree) + " free", "of " + ui.Bytes(s.DiskTotal)})
	}
	for _, done := range []struct {
		what string
		at   *time.Time
	}{{"last gc", r.LastGC}, {"last fsck", r.LastFsck}, {"last backup", r.LastBackup}} {
		text := "never"
		if done.at != nil {
			text = done.at.Local().Format("2006-01-02 15:04")
		}
		rows = append(rows, []string{done.what, text})
	}
	rows = append(rows, r.LastDrill.row())
	ui.Table(w, rows)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "! %s\n", p)
	}
}
