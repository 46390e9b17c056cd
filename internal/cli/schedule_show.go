package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newScheduleShowCommand(a *App) *cobra.Command {
	var f schedulerFlags
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what is run at fixed times, and when next",
		Long: `Show what systemd or your crontab runs for this deployment, when next, and whether
it is what schedule install would install now.

Exit status 3 when it is installed and not so, or would not be run.`,
		Args: f.check,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runScheduleShow(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

func (a *App) runScheduleShow(ctx context.Context, f schedulerFlags) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	binary, err := ownBinary()
	if err != nil {
		return err
	}
	s, err := a.schedule(d, binary)
	if err != nil {
		return err
	}
	places := a.places(ctx, f, s)
	if err := unknown(f, places); err != nil {
		return err
	}
	var found []*place
	for _, p := range places {
		if p.Installed {
			found = append(found, p)
		}
	}
	r := newScheduleResult("show", s, nil, false)
	if len(found) > 0 {
		r = newScheduleResult("show", s, found[0], false)
		r.Problems = append(r.Problems, found[0].Problems...)
		if !r.Current {
			r.Problems = append(r.Problems, "regctl schedule install"+dirFlag(d.Dir)+" brings it up to date")
		}
	}
	if len(found) > 1 {
		r.Problems = append(r.Problems, fmt.Sprintf("it is installed in %s and %s, so it runs twice: regctl schedule install%s", found[0].name, found[1].name, dirFlag(d.Dir)))
	}
	if err := a.ui.Result(r); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errProblems
	}
	return nil
}
