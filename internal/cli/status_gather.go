package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

// soon is how many days before its end a certificate needs a person.
const soon = 14

func (a *App) runStatus(ctx context.Context) error {
	r, err := a.status(ctx)
	if r == nil {
		return err
	}
	if printErr := a.ui.Result(r); printErr != nil {
		return printErr
	}
	switch {
	case err != nil:
		return err
	case len(r.Problems) > 0:
		return errProblems
	}
	return nil
}

// status finds out the state of the deployment. Beside an error of the Docker
// Engine there is what else could be found out.
func (a *App) status(ctx context.Context) (*statusResult, error) {
	d, err := a.open()
	if err != nil {
		return nil, err
	}
	r := &statusResult{Dir: d.Dir, Project: d.cfg.Project, URL: d.cfg.URL(), State: "unknown",
		Services: []serviceStatus{}, Problems: []string{}}
	list, _, err := d.users().List()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.problem("%s is missing; regctl up begins one", compose.UserFile)
	case err != nil:
		return nil, err
	case len(list) == 0:
		r.problem("there is no user; regctl user add NAME")
	}
	r.Users = len(list)
	for _, c := range []struct {
		kind string
		at   **time.Time
	}{{"gc", &r.LastGC}, {"backup", &r.LastBackup}, {"fsck", &r.LastFsck}} {
		if last := readLast(d.Layout, c.kind); last != nil {
			*c.at = &last.At
			if last.damage(d.Layout, c.kind) {
				r.problem("the last %s met damaged images; regctl fsck names them", c.kind)
			}
		}
	}
	r.drill(d)
	// Both take their time.
	var front statusResult
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.certificate(ctx, d, &front)
	}()
	engineErr := a.services(ctx, d, r)
	<-done
	r.Certificate, r.Answers, r.Problems = front.Certificate, front.Answers, append(r.Problems, front.Problems...)
	r.conclude()
	return r, engineErr
}

func (r *statusResult) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// drill tells of the last drill.
func (r *statusResult) drill(d *deployment) {
	last := readDrill(d.Layout)
	if last == nil {
		return
	}
	r.LastDrill = &drillStatus{last.At, last.Snapshot, last.Passed, last.Partial, last.Tags, last.Bytes, last.Failed, last.Error, last.LastPassed}
	if !last.Passed {
		r.problem("the last drill of a backup failed; regctl doctor%s says why", dirFlag(d.Dir))
	}
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
			if r.Storage, err = a.measure(ctx, e, d, c.ID); err != nil {
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
	absent, well, stopped := 0, 0, false
	starts := "regctl up" + dirFlag(r.Dir) + " starts it"
	for _, s := range r.Services {
		switch {
		case s.State == "absent":
			absent++
		case s.State == "running" && s.Health != "unhealthy":
			well++
		default:
			r.problem("%s is %s", s.Name, s.condition())
			stopped = stopped || s.State == "exited" || s.State == "created"
		}
	}
	switch {
	case len(r.Services) == 0:
		r.problem("the services could not be looked at")
	case absent == len(r.Services):
		r.State = "down"
		r.problem("the stack is down; %s", starts)
	case well == len(r.Services) && r.Answers:
		r.State = "up"
	default:
		r.State = "degraded"
		switch {
		case absent > 0:
			r.problem("a service has no container; %s", starts)
		case stopped:
			r.problem("a service is stopped; %s", starts)
		}
	}
	if well == len(r.Services) && well > 0 && r.Certificate.Served == nil {
		r.problem("nothing answers with TLS on the published port")
	}
}
