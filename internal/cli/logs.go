package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
)

type logsOptions struct {
	follow     bool
	timestamps bool
	access     bool
	tail       string
	since      string
}

func newLogsCommand(a *App) *cobra.Command {
	var o logsOptions
	c := &cobra.Command{
		Use:       "logs [SERVICE]",
		Short:     "Show what the services wrote",
		Long:      "Show what the services wrote: registry, nginx (its access log too), or both.",
		ValidArgs: serviceOrder,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%s takes one service, got %d arguments", cmd.CommandPath(), len(args))
			}
			if o.access && (len(args) > 0 || o.timestamps) {
				return usagef("--access is the log of nginx and has its own times: no service and no --timestamps with it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runLogs(cmd.Context(), o, args) },
	}
	f := c.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what is written from now on")
	f.BoolVar(&o.access, "access", false, "who asked for what and how it ended, a line a request; with --json all fields")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "begin each line with its time")
	f.StringVarP(&o.tail, "tail", "n", "all", "only the last lines of each service")
	f.StringVar(&o.since, "since", "", "only what was written since then (2026-01-02T15:04:05, or 42m)")
	return c
}

// runLogs hands over to Compose, whose lines go to standard output as they
// come. With --json it is the lines that are JSON: both services write them so.
func (a *App) runLogs(ctx context.Context, o logsOptions, services []string) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	containers, err := e.Containers(ctx, d.cfg.Project)
	if err != nil {
		return err
	}
	if len(containers) == 0 {
		return errNotRunning(d)
	}
	if err := d.owns(containers); err != nil {
		return err
	}
	names := []string{}
	for _, c := range containers {
		names = append(names, c.Service)
	}
	if len(services) == 1 && !slices.Contains(names, services[0]) {
		slices.Sort(names)
		return usagef("there is no service %q; there are %v", services[0], names)
	}
	r, err := compose.FindCompose(ctx, d.Layout, d.cfg.Project)
	if err != nil {
		return err
	}
	var out io.Writer = a.Out
	if o.access {
		services = []string{compose.ServiceNginx}
		out = accessWriter(a.Out, a.ui.JSON)
	}
	args := []string{"logs", "--no-color", "--tail", o.tail}
	if a.ui.JSON || o.access {
		args = append(args, "--no-log-prefix")
	}
	if o.follow {
		args = append(args, "--follow")
	}
	if o.timestamps {
		args = append(args, "--timestamps")
	}
	if o.since != "" {
		args = append(args, "--since", o.since)
	}
	return r.Run(ctx, out, append(args, services...)...)
}

func errNotRunning(d *deployment) error {
	return advice.With(fmt.Errorf("%w: the stack of %s has no containers", errStopped, d.Dir), "regctl up%s", dirFlag(d.Dir))
}

var errStopped = errors.New("not running")
