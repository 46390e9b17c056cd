package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newScheduleRemoveCommand(a *App) *cobra.Command {
	var f schedulerFlags
	c := &cobra.Command{
		Use: "remove", Aliases: []string{"rm"},
		Short: "Take away what schedule install installed",
		Long: `Take away what schedule install installed, from systemd and from your crontab, or
from the one that is named. Nothing else there is touched, and no trace stays.`,
		Args: f.check,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runScheduleRemove(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

func (a *App) runScheduleRemove(ctx context.Context, f schedulerFlags) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	s, err := a.schedule(d, "/regctl") // whichever regctl is run there
	if err != nil {
		return err
	}
	places := a.places(ctx, f, s)
	if err := unknown(f, places); err != nil {
		return err
	}
	r := newScheduleResult("remove", s, nil, false)
	r.DryRun = a.dryRun
	for _, p := range places {
		if !p.Installed {
			continue
		}
		if !a.dryRun {
			if err := p.Remove(ctx, s.Project); err != nil {
				return err
			}
		}
		part := newScheduleResult("remove", s, p, false)
		r.Files = append(r.Files, part.Files...)
		if r.Scheduler != "" {
			r.Scheduler += " and "
		}
		r.Scheduler += p.name
		r.Changed, r.Installed = true, a.dryRun
	}
	return a.ui.Result(r)
}
