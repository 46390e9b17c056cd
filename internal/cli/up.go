package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

type upOptions struct {
	timeout time.Duration
	force   bool
}

func newUpCommand(a *App) *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the registry, or bring a running one up to date",
		Long: `Render what is out of date, check images and ports, start the stack with Docker
Compose and wait until the registry answers through the front door. Under
tls.mode letsencrypt it then obtains the certificate, if one is due; should that
fail the registry is up all the same, with the pair before or one to start with,
and the exit status is 5, or 3 when a person has to do something first.

On a stack that runs and is up to date it changes nothing.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runUp(cmd.Context(), o) },
	}
	c.Flags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait for the registry to answer")
	c.Flags().BoolVar(&o.force, "force", false, "replace rendered files that were edited by hand; each is kept beside as NAME.edited")
	return c
}

// upResult is the stack after up.
type upResult struct {
	URL     string   `json:"url" doc:"front door"`
	Host    string   `json:"host" doc:"registry name in image references"`
	Dir     string   `json:"dir" doc:"deployment directory"`
	Changed bool     `json:"changed" doc:"false: it ran already, as it should"`
	DryRun  bool     `json:"dry_run" doc:"nothing was done"`
	Plan    []string `json:"plan" doc:"what was, or would be, done"`
	Users   []string `json:"users" doc:"who may log in"`
	CA      string   `json:"ca" doc:"file that clients have to trust; empty for none"`
	Millis  int64    `json:"duration_ms" doc:"milliseconds"`

	trust string
}

func (r upResult) Text(w io.Writer) {
	if r.DryRun {
		if len(r.Plan) == 0 {
			fmt.Fprintln(w, "nothing to do")
		}
		for _, line := range r.Plan {
			fmt.Fprintf(w, "would %s\n", line)
		}
		return
	}
	state := "is up"
	if !r.Changed {
		state = "is up already"
	}
	fmt.Fprintf(w, "%s %s\n", r.URL, state)
	user := "NAME"
	if len(r.Users) > 0 {
		user = r.Users[0]
		fmt.Fprintf(w, "users: %s\n", strings.Join(r.Users, ", "))
	} else {
		fmt.Fprintf(w, "users: none yet; regctl user add NAME%s\n", dirFlag(r.Dir))
	}
	if r.Changed && r.trust != "" {
		fmt.Fprint(w, r.trust)
	}
	fmt.Fprintf(w, "\nnext:\n  docker login -u %s %s\n  docker tag IMAGE %s/IMAGE\n  docker push %s/IMAGE\n", user, r.Host, r.Host, r.Host)
}

func (a *App) runUp(ctx context.Context, o upOptions) error {
	began := a.Now()
	d, err := a.open()
	if err != nil {
		return err
	}
	s := &start{app: a, d: d, opts: o}
	if !a.dryRun {
		held, err := lockDeployment(ctx, d.Layout, "up")
		if err != nil {
			return err
		}
		defer held.Release()
		if err := a.awaitCompose(ctx, d); err != nil {
			return err
		}
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer s.close()
	res := upResult{URL: d.cfg.URL(), Host: d.cfg.Host(), Dir: d.Dir, DryRun: a.dryRun, Plan: s.plan, Users: s.userNames()}
	if res.Plan == nil {
		res.Plan = []string{}
	}
	var certErr error
	if !a.dryRun {
		if err := s.run(ctx); err != nil {
			return err
		}
		certErr = s.obtain(ctx)
		if res.Changed = len(s.plan) > 0; res.Changed {
			res.Plan = s.plan
		}
	}
	if d.cfg.TLS.Mode == config.ModeSelfSigned {
		res.CA = d.localCA().CertPath()
		res.trust = trustText(d.cfg, res.CA)
	}
	res.Millis = a.Now().Sub(began).Milliseconds()
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return certErr
}

// obtain obtains the certificate on the stack that runs now, if one is due. What
// fails here leaves the registry up.
func (s *start) obtain(ctx context.Context) error {
	if s.d.cfg.TLS.Mode != config.ModeLetsEncrypt {
		return nil
	}
	r := &renewer{app: s.app, d: s.d, engine: s.engine, opts: certOptions{attended: true},
		res: certResult{Domain: s.d.cfg.Domain, Names: s.d.cfg.Names()}}
	err := r.read()
	if err == nil {
		r.decision = r.decide(r.state)
		switch d := r.decision; {
		case d.Due:
			err = r.obtain(ctx)
		case d.Reason == renewal.Future:
			r.warn("the certificate of %s: %s", s.d.cfg.Domain, d.Why)
		case d.Held != "" && (r.leaf == nil || r.stopgap || r.overdue()):
			r.warn("%s needs a certificate (%s), but not now: %s", s.d.cfg.Domain, d.Why, d.Held)
		}
	}
	for _, line := range r.res.lines {
		s.app.ui.Step("%s", line)
	}
	if e, ok := errors.AsType[*acme.Error](err); ok && e.Kind == acme.Terms {
		s.app.ui.Warn("%v", err)
		s.app.ui.Step("hint: %s", advice.Of(err))
		return errProblems
	}
	if err == nil && r.problems {
		return errProblems
	}
	if err != nil && r.stopgap && advice.Of(err) == "" {
		return advice.With(err, "regctl cert issue%s tries again; the registry is up with a certificate that no client trusts", dirFlag(s.d.Dir))
	}
	return err
}

// trustText tells how clients come to trust the local CA.
func trustText(cfg *config.Config, ca string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nIts certificate is signed by a CA of its own. On each client, as root, with %s copied there:\n", ca)
	host := cfg.Host()
	if cfg.Domain == "localhost" {
		fmt.Fprintln(&b, "  docker      nothing to do on this host: it takes localhost as it is")
	} else {
		fmt.Fprintf(&b, "  docker      install -Dm644 ca.pem /etc/docker/certs.d/%s/ca.crt\n", host)
	}
	fmt.Fprintf(&b, "  podman      install -Dm644 ca.pem /etc/containers/certs.d/%s/ca.crt   (skopeo, buildah too)\n", host)
	fmt.Fprintf(&b, "  containerd  install -Dm644 ca.pem /etc/containerd/certs.d/%s/ca.crt, and beside it hosts.toml:\n", host)
	fmt.Fprintf(&b, "              server = %q\n              [host.%q]\n                ca = \"/etc/containerd/certs.d/%s/ca.crt\"\n", cfg.URL(), cfg.URL(), host)
	return b.String()
}

// userNames lists who may log in; the order is the file's.
func (s *start) userNames() []string {
	names := []string{}
	list, _, err := s.d.users().List()
	if err != nil {
		return names // prepare has dealt with a missing file
	}
	for _, u := range list {
		names = append(names, u.Name)
	}
	return names
}

// serviceOrder is the order in which services are looked at and shown.
var serviceOrder = []string{compose.ServiceRegistry, compose.ServiceAuth, compose.ServiceNginx}
