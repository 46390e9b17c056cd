package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/compose"
)

// stackResult is the outcome of down and restart.
type stackResult struct {
	Action   string   `json:"action" doc:"down or restart"`
	Services []string `json:"services" doc:"those it applied, or would apply, to"`
	Changed  bool     `json:"changed" doc:"something was done"`
	DryRun   bool     `json:"dry_run" doc:"nothing was done"`

	text string
}

func (r stackResult) Text(w io.Writer) { fmt.Fprintln(w, r.text) }

func newDownCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the stack and remove its containers; images and users stay",
		Long: `Stop the stack once the transfers under way have ended (stop_grace in regctl.yaml)
and remove its containers and networks. The volume with the images stays: regctl
never deletes it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDown(cmd.Context()) },
	}
}

func (a *App) runDown(ctx context.Context) error {
	d, services, runner, done, err := a.stack(ctx, "down")
	if err != nil {
		return err
	}
	defer done()
	res := stackResult{Action: "down", Services: services, DryRun: a.dryRun}
	switch {
	case len(services) == 0:
		res.text = "not running"
	case a.dryRun:
		res.text = fmt.Sprintf("would stop and remove %v", services)
	default:
		a.ui.Step("stopping; waiting up to %s for transfers to end", d.cfg.StopGrace)
		if err := runner.Change(ctx, a.composeOutput(), "down"); err != nil {
			return err
		}
		res.Changed = true
		res.text = fmt.Sprintf("stopped; the images stay in the volume %s_registry-data", d.cfg.Project)
	}
	return a.ui.Result(res)
}

func newRestartCommand(a *App) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "restart",
		Short: "Restart the services, letting uploads under way end first",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.runRestart(cmd.Context(), timeout) },
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the registry to answer")
	return c
}

func (a *App) runRestart(ctx context.Context, timeout time.Duration) error {
	d, services, runner, done, err := a.stack(ctx, "restart")
	if err != nil {
		return err
	}
	defer done()
	res := stackResult{Action: "restart", Services: services, DryRun: a.dryRun}
	if len(services) == 0 {
		return errNotRunning(d)
	}
	if a.dryRun {
		res.text = fmt.Sprintf("would restart %v", services)
		return a.ui.Result(res)
	}
	a.ui.Step("restarting; waiting up to %s for transfers to end", d.cfg.StopGrace)
	if err := runner.Change(ctx, a.composeOutput(), "restart"); err != nil {
		return err
	}
	s := &start{app: a, d: d, opts: upOptions{timeout: timeout}}
	if s.engine, err = a.Connect(ctx); err != nil {
		return err
	}
	defer s.close()
	if err := s.wait(ctx); err != nil {
		return err
	}
	res.Changed = true
	res.text = fmt.Sprintf("%s is up again", d.cfg.URL())
	return a.ui.Result(res)
}

// stack opens a deployment whose containers are to be acted on: it takes the
// lock, finds Compose and lists the services that have a container.
func (a *App) stack(ctx context.Context, command string) (d *deployment, services []string, r *compose.Runner, done func(), err error) {
	if d, err = a.open(); err != nil {
		return nil, nil, nil, nil, err
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	defer e.Close()
	done = func() {}
	if !a.dryRun {
		held, err := lockDeployment(ctx, d.Layout, command)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		done = func() { held.Release() }
		if err := a.awaitCompose(ctx, d); err != nil {
			done()
			return nil, nil, nil, nil, err
		}
	}
	s := &start{app: a, d: d, engine: e}
	if s.containers, err = e.Containers(ctx, d.cfg.Project); err == nil {
		err = s.checkOwner(ctx)
	}
	if err == nil {
		r, err = compose.FindCompose(ctx, d.Layout, d.cfg.Project)
	}
	if err != nil {
		done()
		return nil, nil, nil, nil, err
	}
	services = []string{}
	for _, c := range s.containers {
		services = append(services, c.Service)
	}
	return d, services, r, done, nil
}

// awaitCompose waits for what a killed run has left at work. The lock is held.
func (a *App) awaitCompose(ctx context.Context, d *deployment) error {
	return d.AwaitIdle(ctx, func() { a.ui.Step("waiting for the Docker Compose of a regctl that was killed to end") })
}

// composeOutput is where Compose's own words go.
func (a *App) composeOutput() io.Writer {
	if a.ui.Verbose && !a.ui.Quiet {
		return a.Err
	}
	return io.Discard
}
