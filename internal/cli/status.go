package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/engine"
)

func newStatusCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show services, certificate, users and storage on one screen",
		Long: `Show services, certificate, users and storage on one screen.

Exit status 3 when a service is not well, the registry does not answer, or the
certificate served is not the one on disk or about to expire.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runStatus(cmd.Context()) },
	}
}

// statusResult is the state of a deployment. What could not be found out is
// null, and problems says why.
type statusResult struct {
	Dir         string            `json:"dir" doc:"deployment directory"`
	Project     string            `json:"project" doc:"Compose project"`
	URL         string            `json:"url" doc:"front door"`
	State       string            `json:"state" doc:"up, degraded, down or unknown"`
	Answers     bool              `json:"answers" doc:"GET /v2/ answers 401 through the front door"`
	Services    []serviceStatus   `json:"services" doc:"registry and nginx"`
	Certificate certificateStatus `json:"certificate" doc:"of the front door"`
	Users       int               `json:"users" doc:"how many may log in"`
	Storage     *storageStatus    `json:"storage" doc:"null when it could not be counted in a few seconds"`
	LastGC      *time.Time        `json:"last_gc" doc:"time, null: never"`
	LastBackup  *time.Time        `json:"last_backup" doc:"time, null: never"`
	Problems    []string          `json:"problems" doc:"what needs a person; not empty: exit status 3"`
}

type serviceStatus struct {
	Name     string     `json:"name" doc:"of the service"`
	State    string     `json:"state" doc:"of its container: running, restarting, exited, …; absent without one"`
	Health   string     `json:"health" doc:"starting, healthy, unhealthy, or empty"`
	Image    string     `json:"image" doc:"reference"`
	Started  *time.Time `json:"started" doc:"time"`
	Restarts int        `json:"restarts" doc:"since it was made"`
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

// storageStatus is what lies on the data volume; sizes in bytes.
type storageStatus struct {
	Repositories int   `json:"repositories" doc:"count"`
	Tags         int   `json:"tags" doc:"count"`
	Bytes        int64 `json:"bytes" doc:"used by the registry on its volume"`
	DiskFree     int64 `json:"disk_free" doc:"bytes"`
	DiskTotal    int64 `json:"disk_total" doc:"bytes"`
}

func (r statusResult) Text(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n", r.URL, r.State)
	rows := [][]string{}
	for _, s := range r.Services {
		state := s.State
		if s.Health != "" {
			state += ", " + s.Health
		}
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
		rows = append(rows,
			[]string{"images", fmt.Sprintf("%d repositories, %d tags", s.Repositories, s.Tags), ui.Bytes(s.Bytes)},
			[]string{"disk", ui.Bytes(s.DiskFree) + " free", "of " + ui.Bytes(s.DiskTotal)})
	}
	ui.Table(w, rows)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "! %s\n", p)
	}
}

// soon is how many days before its end a certificate needs a person.
const soon = 14

func (a *App) runStatus(ctx context.Context) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	r := &statusResult{Dir: d.Dir, Project: d.cfg.Project, URL: d.cfg.URL(), State: "unknown",
		Services: []serviceStatus{}, Problems: []string{}}
	list, _, err := d.users().List()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.problem("%s is missing; regctl up begins one", compose.UserFile)
	case err != nil:
		return err
	case len(list) == 0:
		r.problem("there is no user; regctl user add NAME")
	}
	r.Users = len(list)
	engineErr := a.services(ctx, d, r)
	a.certificate(ctx, d, r)
	r.conclude()
	if err := a.ui.Result(r); err != nil {
		return err
	}
	switch {
	case engineErr != nil:
		return engineErr
	case len(r.Problems) > 0:
		return errProblems
	}
	return nil
}

func (r *statusResult) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// services asks the engine. Without one the rest of the screen is still worth
// having.
func (a *App) services(ctx context.Context, d *deployment, r *statusResult) error {
	e, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	containers, err := e.Containers(ctx, d.cfg.Project)
	if err != nil {
		return err
	}
	if err := d.owns(containers); err != nil {
		r.problem("%v", err)
		containers = nil // not this deployment's
	}
	for _, name := range serviceOrder {
		c, ok := find(containers, name)
		if !ok {
			r.Services = append(r.Services, serviceStatus{Name: name, State: "absent"})
			continue
		}
		if c, err = e.Inspect(ctx, c); err != nil {
			return err
		}
		s := serviceStatus{Name: name, State: c.State, Health: c.Health, Image: c.Image, Restarts: c.Restarts}
		if !c.Started.IsZero() {
			s.Started = &c.Started
		}
		r.Services = append(r.Services, s)
		if c.Running() && name == compose.ServiceRegistry {
			if r.Storage, err = measure(ctx, e, c.ID); err != nil {
				a.ui.Detail("storage: %v", err)
			}
		}
	}
	return nil
}

// certificate compares the pair on disk with the one that is served, and tells
// on the way whether the registry answers.
func (a *App) certificate(ctx context.Context, d *deployment, r *statusResult) {
	r.Certificate.Mode = d.cfg.TLS.Mode
	_, disk, err := d.certs().Live(d.cfg.Domain)
	if err != nil {
		r.problem("certificate: %v", err)
	} else {
		r.Certificate.OnDisk = a.certificateInfo(disk)
		if d.cfg.TLS.Mode == config.ModeLetsEncrypt {
			var more []string
			r.Certificate.NextRenewal, more = a.renewalProblems(d)
			r.Problems = append(r.Problems, more...)
		} else if days := disk.DaysLeft(a.Now()); days < soon {
			r.problem("the certificate ends in %d days", days)
		}
	}
	served, err := certs.Served(ctx, d.dialAddr(), d.cfg.Domain)
	if err != nil {
		return // conclude says what that means
	}
	r.Certificate.Served = a.certificateInfo(served)
	r.Certificate.Same = disk.Fingerprint == served.Fingerprint
	if r.Certificate.OnDisk != nil && !r.Certificate.Same {
		r.problem("the certificate served is not the one on disk; regctl up%s loads it", dirFlag(d.Dir))
	}
	door, err := d.door()
	if err == nil {
		door.AnyCertificate = true
		_, err = door.Knock(ctx)
	}
	if r.Answers = err == nil; !r.Answers {
		r.problem("%s: %v", d.cfg.URL(), err)
	}
}

func (a *App) certificateInfo(l certs.Leaf) *certificateInfo {
	return &certificateInfo{Names: l.Names, Issuer: l.Issuer, NotAfter: l.NotAfter, DaysLeft: l.DaysLeft(a.Now()),
		Serial: l.Serial, Fingerprint: l.Fingerprint}
}

// conclude sums the services up to one word.
func (r *statusResult) conclude() {
	absent, well := 0, 0
	for _, s := range r.Services {
		switch {
		case s.State == "absent":
			absent++
		case s.State == "running" && s.Health != "unhealthy":
			well++
		default:
			r.problem("%s is %s", s.Name, strings.TrimSuffix(s.State+", "+s.Health, ", "))
		}
	}
	switch {
	case len(r.Services) == 0:
		r.problem("the services could not be looked at")
	case absent == len(r.Services):
		r.State = "down"
		r.problem("the stack is down; regctl up starts it")
	case well == len(r.Services) && r.Answers:
		r.State = "up"
	default:
		r.State = "degraded"
		if absent > 0 {
			r.problem("a service has no container; regctl up starts it")
		}
	}
	if well == len(r.Services) && well > 0 && r.Certificate.Served == nil {
		r.problem("nothing answers with TLS on the published port")
	}
}

// measureTimeout keeps status a matter of a second, however large the registry.
const measureTimeout = 3 * time.Second

// measureScript counts what lies on the volume with what both registry images
// have. A link named current/link under _manifests/tags is a tag; a directory
// _manifests a repository.
const measureScript = `cd /var/lib/registry || exit 1
df -Pk . | awk 'NR==2 {print "disk", $2, $4}'
[ -d docker/registry/v2 ] || { echo "repositories 0"; echo "tags 0"; echo "kib 0"; exit 0; }
cd docker/registry/v2
echo "kib $(du -sk . | cut -f1)"
[ -d repositories ] || { echo "repositories 0"; echo "tags 0"; exit 0; }
echo "repositories $(find repositories -type d -name _manifests | wc -l)"
echo "tags $(find repositories -type f -path '*/_manifests/tags/*/current/link' | wc -l)"
`

func measure(ctx context.Context, e *engine.Client, id string) (*storageStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	code, out, err := e.Exec(ctx, id, "timeout", "3", "sh", "-c", measureScript)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("counting on the volume ended with status %d", code)
	}
	var s storageStatus
	seen := 0
	for line := range strings.Lines(out) {
		var name string
		var x, y int64
		fmt.Sscan(line, &name, &x, &y)
		seen++
		switch name {
		case "disk":
			s.DiskTotal, s.DiskFree = x<<10, y<<10
		case "kib":
			s.Bytes = x << 10
		case "repositories":
			s.Repositories = int(x)
		case "tags":
			s.Tags = int(x)
		default:
			seen--
		}
	}
	if seen != 4 {
		return nil, fmt.Errorf("counting on the volume gave %q", out)
	}
	return &s, nil
}
