package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/engine"
)

// run does what prepare planned, and proves that the registry answers.
func (s *start) run(ctx context.Context) error {
	if s.compose {
		var err error
		if s.runner, err = compose.FindCompose(ctx, s.d.Layout, s.d.cfg.Project); err != nil {
			return err
		}
	}
	if err := s.pull(ctx); err != nil {
		return err
	}
	if err := s.app.ensureCertificate(s.d); err != nil {
		return err
	}
	if err := ensureUserFile(s.d.Layout); err != nil {
		return err
	}
	if err := s.app.ensureRights(ctx, s.d); err != nil {
		return err
	}
	if err := durable.MkdirAll(s.d.Path(compose.ACMEDir), 0o755); err != nil {
		return err
	}
	s.want.Nginx = s.nginxSum() // with the certificate that is there now
	if err := s.writeFiles(ctx); err != nil {
		return err
	}
	if err := s.converge(ctx); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.saveState()
}

// pull pulls the images that are not here.
func (s *start) pull(ctx context.Context) error {
	for _, ref := range []string{s.d.cfg.Registry.Image, s.d.cfg.Nginx.Image} {
		if s.images[ref] != "" {
			continue
		}
		s.app.ui.Step("pulling %s", ref)
		if err := s.engine.Pull(ctx, ref, func(line string) { s.app.ui.Detail("  %s", line) }); err != nil {
			return err
		}
		id, err := s.engine.ImageID(ctx, ref)
		if err != nil {
			return err
		}
		s.images[ref] = id
	}
	return nil
}

// writeFiles tests the rendered files where they are to be used and only then
// puts them in the place of the old ones.
func (s *start) writeFiles(ctx context.Context) error {
	changed := false
	for _, d := range s.drift {
		changed = changed || d.Changes()
	}
	// What init wrote, or another certificate, was not tested by anybody yet.
	if changed || s.state.Nginx != s.want.Nginx {
		if err := checkRendered(ctx, s.engine, s.d, s.files); err != nil {
			return err
		}
	}
	if changed {
		kept, err := s.d.Write(s.files, s.drift, true)
		for _, name := range kept {
			s.app.ui.Step("kept your edited file as %s", name)
		}
		if err != nil {
			return err
		}
	}
	// Also when nothing changed: the override is the person's to break.
	project, err := s.d.Load(ctx, s.d.Path(compose.ComposeFile), s.d.cfg.Project)
	if err != nil {
		return err
	}
	s.networks = compose.Networks(project)
	s.findHalfMade()
	return nil
}

// stageDir is where rendered files are checked.
const stageDir = compose.StateDir + "/stage"

// nginxCapabilities are those of the service in docker-compose.yml: `nginx -t`
// binds its ports and makes its directories too.
var nginxCapabilities = []string{"CHOWN", "SETGID", "SETUID", "NET_BIND_SERVICE"}

// checkRendered stages rendered files and has them checked: the Compose file by
// compose-go, Nginx's configuration by `nginx -t` in the stack's own image.
func checkRendered(ctx context.Context, e *engine.Client, d *deployment, files []compose.File) (err error) {
	stage := d.Path(stageDir)
	// Left behind by a kill; the lock is held.
	if err := os.RemoveAll(stage); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	staged := compose.Layout{Dir: stage}
	for _, f := range files {
		if err := durable.MkdirAll(filepath.Dir(staged.Path(f.Path)), 0o755); err != nil {
			return err
		}
		if err := durable.WriteFile(staged.Path(f.Path), f.Data, f.Mode); err != nil {
			return err
		}
	}
	if _, err := d.Load(ctx, staged.Path(compose.ComposeFile), d.cfg.Project); err != nil {
		return err
	}
	out, err := nginxRefuses(ctx, e, d, filepath.Dir(staged.Path(compose.NginxConf)))
	if err != nil {
		return err
	}
	if out != "" {
		return &logError{err: fmt.Errorf("%s refuses the rendered configuration; nothing was changed", d.cfg.Nginx.Image), log: out}
	}
	return nil
}

// nginxRefuses has the configuration in a directory tested by `nginx -t`, with
// the certificates on disk, in a container of the stack's own image. It returns
// what Nginx has against it, "" for nothing.
func nginxRefuses(ctx context.Context, e *engine.Client, d *deployment, dir string) (string, error) {
	capabilities := nginxCapabilities
	if uid, err := ownerUID(d.Dir); err != nil {
		return "", err
	} else if uid != 0 {
		capabilities = append(capabilities[:len(capabilities):len(capabilities)], "DAC_OVERRIDE")
	}
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	code, out, err := e.RunOnce(bounded, engine.Once{
		Project: d.cfg.Project,
		Image:   d.cfg.Nginx.Image,
		Command: []string{"nginx", "-e", "/dev/stderr", "-t", "-q", "-c", "/etc/regctl/nginx/nginx.conf"},
		Binds: map[string]string{
			dir:                      "/etc/regctl/nginx",
			d.Path(compose.CertsDir): "/etc/regctl/certs",
		},
		Tmpfs:  []string{"/run", "/tmp", "/var/cache/nginx"},
		CapAdd: capabilities,
	})
	if err != nil {
		return "", fmt.Errorf("testing the configuration of nginx: %w", err)
	}
	if code != 0 {
		return fmt.Sprintf("%s\nnginx -t: exit status %d", strings.TrimSpace(out), code), nil
	}
	return "", nil
}

// lookAgain reads the containers as they are now.
func (s *start) lookAgain(ctx context.Context) error {
	var err error
	s.containers, err = s.engine.Containers(ctx, s.d.cfg.Project)
	if err != nil {
		return err
	}
	s.want.Containers = map[string]string{}
	for _, c := range s.containers {
		if slices.Contains(serviceOrder, c.Service) {
			s.want.Containers[c.Service] = c.ID
		}
	}
	return nil
}

// logError is a failure together with what the failing program said.
type logError struct {
	err error
	log string
}

func (e *logError) Error() string { return e.err.Error() }
func (e *logError) Unwrap() error { return e.err }

// Detail is the log, for the lines under the error.
func (e *logError) Detail() string { return strings.TrimSpace(e.log) + "\n" }

// explain adds the last lines of each service that is not well to an error.
func (s *start) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return advice.With(ctx.Err(), "regctl up%s goes on from here", dirFlag(s.d.Dir))
	}
	containers, listErr := s.engine.Containers(ctx, s.d.cfg.Project)
	if listErr != nil {
		return err
	}
	var b bytes.Buffer
	for _, service := range serviceOrder {
		c, ok := find(containers, service)
		if !ok {
			continue
		}
		if c, listErr = s.engine.Inspect(ctx, c); listErr != nil || c.Running() && c.Restarts == 0 && c.Health != "unhealthy" && !errors.Is(err, errNotUp) {
			continue
		}
		fmt.Fprintf(&b, "%s: %s", service, c.State)
		if !c.Running() {
			fmt.Fprintf(&b, ", exit status %d", c.ExitCode)
		}
		lines, _ := s.engine.LastLines(ctx, c.ID, "15")
		fmt.Fprintf(&b, "; its last lines:\n%s\n", indent(lines))
	}
	if b.Len() == 0 {
		return err
	}
	return advice.With(&logError{err: err, log: b.String()}, "regctl logs%s", dirFlag(s.d.Dir))
}

// find finds a service's container; of several, left behind by an interrupted
// change, the one that runs.
func find(containers []engine.Container, service string) (found engine.Container, ok bool) {
	for _, c := range containers {
		if c.Service == service && (!ok || c.Running()) {
			found, ok = c, true
		}
	}
	return found, ok
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
