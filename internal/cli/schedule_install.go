package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/cron"
)

func newScheduleInstallCommand(a *App) *cobra.Command {
	var f schedulerFlags
	var force bool
	c := &cobra.Command{
		Use:   "install",
		Short: "Have the commands run at fixed times by systemd or cron",
		Long: `Have the commands that look after the registry run at fixed times: as timers of
systemd where it runs and can be written to, which takes root; else as a block
between marks in your crontab. What else stands there is not touched. Running it
again changes nothing, or brings what is installed up to date; with the other flag
it moves everything there.

What is run and when stands under schedule in regctl.yaml. With --dry-run it prints
what it would install, to the letter.`,
		Example: `  sudo regctl schedule install
  regctl schedule install --cron --dry-run`,
		Args: f.check,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runScheduleInstall(cmd.Context(), f, force) },
	}
	f.register(c)
	c.Flags().BoolVar(&force, "force", false, "also a regctl in a place for temporary files")
	return c
}

func (a *App) runScheduleInstall(ctx context.Context, f schedulerFlags, force bool) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	binary, err := ownBinary()
	if err != nil {
		return err
	}
	if err := lasting(binary); err != nil && !force {
		return err
	}
	s, err := a.schedule(d, binary)
	if err != nil {
		return err
	}
	if len(s.Jobs) == 0 {
		return a.runScheduleRemove(ctx, schedulerFlags{})
	}
	places := a.places(ctx, schedulerFlags{}, s)
	to, others := a.choose(ctx, f, places)
	if to.looked != nil {
		return to.looked
	}
	r := newScheduleResult("install", s, to, true)
	r.DryRun = a.dryRun
	r.Changed = !to.Current
	for _, p := range others {
		r.Changed = r.Changed || p.Installed
	}
	if a.dryRun {
		return a.ui.Result(r)
	}
	if err := to.Install(ctx, s); err != nil {
		return err
	}
	after, err := to.Look(ctx, s)
	if err != nil {
		return err
	}
	changed := r.Changed
	r = newScheduleResult("install", s, &place{name: to.name, State: after}, true)
	r.Changed, r.Problems = changed, append(append(r.Problems, after.Problems...), bound(d.cfg)...)
	if c := d.cfg; c.TLS.Mode == config.ModeLetsEncrypt && c.ACME.Challenge == config.DNS01 && c.ACME.DNS.Credentials == "" && c.Schedule.Cert != cron.Off {
		r.Problems = append(r.Problems, fmt.Sprintf("acme.dns.credentials names no file, and %s has nothing of this environment: no certificate would be renewed; "+
			"write the variables of %s into a file of mode 0600 and name it there", to.name, c.ACME.DNS.Provider))
	}
	for _, p := range others {
		if !p.Installed {
			continue
		}
		if err := p.Remove(ctx, s.Project); err != nil {
			r.Problems = append(r.Problems, fmt.Sprintf("it runs twice, since it cannot be taken from %s: %v; sudo regctl schedule remove --%s%s", p.name, err, p.name, dirFlag(d.Dir)))
		} else {
			a.ui.Step("removed from %s", p.name)
		}
	}
	if err := a.ui.Result(r); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errProblems
	}
	return nil
}

// choose tells where to install to: where the flags say, else where it is
// installed already, else systemd where it runs.
func (a *App) choose(ctx context.Context, f schedulerFlags, places []*place) (to *place, others []*place) {
	systemd, cron := places[0], places[1]
	first := f.systemd
	if !f.systemd && !f.cron {
		first = systemd.Installed || !cron.Installed && a.Systemd.Available(ctx) == nil
	}
	if first {
		return systemd, []*place{cron}
	}
	return cron, []*place{systemd}
}
