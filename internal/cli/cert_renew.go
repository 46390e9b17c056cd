package cli

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/config"
)

func newCertRenewCommand(a *App) *cobra.Command {
	var o certOptions
	c := &cobra.Command{
		Use:   "renew",
		Short: "Renew the certificate if it is due, and serve what lies on disk; for cron",
		Long: `Renew the certificate if it is due, put it into use without losing a request and
prove that it is served. It is due when the CA says so (ARI), with a third of its
life left at the latest, and when names, key type, profile or CA are to be others.
A certificate that lies on disk and is not served is put into use. Under
tls.mode selfsigned the local CA renews it; under files the pair in tls.cert and
tls.key is taken over when it has changed.

Run it from cron at any interval from an hour to a week, with --quiet: it is
silent when there is nothing to do. After an attempt that failed it waits 1, 10
and 100 minutes, then a day, or as long as the CA says. --dry-run tries at the
CA's staging directory, or with an account made for it, and changes nothing.

Exit status 3 when a person should look, 5 when the CA or Docker refuses.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.open()
			if err != nil {
				return err
			}
			return a.certRun(cmd.Context(), d, "cert renew", o)
		},
	}
	c.Flags().BoolVar(&o.force, "force", false, "also when it is not due; limits that the CA is known to have are kept all the same")
	c.Flags().BoolVar(&o.noJitter, "no-jitter", false, "ask the CA at once, also without a terminal")
	return c
}

// A run without a terminal waits for so long before it asks the CA: cron starts
// jobs on the minute everywhere in the world.
const (
	leastJitter = 5 * time.Second
	mostJitter  = 5 * time.Minute
)

// certRun renews in whatever way the mode asks for.
func (a *App) certRun(ctx context.Context, d *deployment, command string, o certOptions) error {
	began := a.Now()
	r := &renewer{app: a, d: d, opts: o, res: certResult{Domain: d.cfg.Domain, Names: d.cfg.Names(), DryRun: a.dryRun}}
	defer r.close()
	jitter := !o.noJitter && !o.force && !a.dryRun && d.cfg.TLS.Mode == config.ModeLetsEncrypt && !ui.IsTerminal(a.In)
	var err error
	for {
		var wait bool
		if wait, err = r.locked(ctx, command, jitter); !wait {
			break
		}
		jitter = false
		pause := leastJitter + rand.N(mostJitter-leastJitter)
		a.ui.Detail("asking the CA in %s; --no-jitter asks at once", pause.Round(time.Second))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	if err != nil && !r.worked {
		return err
	}
	r.res.Millis = a.Now().Sub(began).Milliseconds()
	if printErr := r.print(); printErr != nil {
		return printErr
	}
	if err == nil && r.problems {
		return errProblems
	}
	return err
}

// locked does the work under the deployment's lock. wait is true when it was not
// done yet because the CA is to be asked and a pause comes first, without the
// lock.
func (r *renewer) locked(ctx context.Context, command string, jitter bool) (wait bool, err error) {
	held, err := lockDeployment(ctx, r.d.Layout, command)
	if err != nil {
		return false, err
	}
	defer held.Release()
	if err := r.d.renderedFor(r.d.cfg.Domain); err != nil {
		return false, err
	}
	if r.d.cfg.TLS.Mode != config.ModeLetsEncrypt {
		return false, r.renewOther(ctx)
	}
	if err := r.look(ctx); err != nil {
		return false, err
	}
	if r.decision.Due && jitter {
		return true, nil
	}
	if r.app.dryRun {
		return false, r.rehearse(ctx)
	}
	// What a killed run has left; if one is due that is after the pause.
	if err := r.d.webroot().Sweep(); err != nil {
		return false, err
	}
	return false, r.renew(ctx)
}
