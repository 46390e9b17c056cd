package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/doctor"
	"github.com/regctl/regctl/pkg/smoke"
)

type doctorOptions struct {
	fix   bool
	smoke bool
}

func newDoctorCommand(a *App) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what breaks the registry, say what it means and what mends it",
		Long: `Look at the deployment from outside, as a client would, and from inside, through
the Docker Engine and the files: DNS, ports, certificate, answers, images, users,
modes of files, disks, schedule, what runs that were killed have left. Each finding
has an ID, says what was seen and why it matters, and names the command or the line
that mends it; docs/doctor.md lists them all.

It also works when half of the stack is down, without Docker, and with a
regctl.yaml that is broken: what cannot be found out is left out. It changes
nothing, unless --fix says so.

Exit status 3 when there is an error or a warning; notes alone are no problem.`,
		Example: `  regctl doctor
  regctl doctor --fix --dry-run
  regctl doctor --smoke`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd.Context(), o) },
	}
	f := c.Flags()
	f.BoolVar(&o.fix, "fix", false, "mend what can be mended safely: modes and owners of files, left-overs of runs that were killed, a schedule that is missing")
	f.BoolVar(&o.smoke, "smoke", false, "also push, pull and delete an image with a layer of 64 MiB, as regctl smoke does")
	return c
}

// doctorResult is what doctor found.
type doctorResult struct {
	Dir      string           `json:"dir" doc:"deployment directory"`
	Findings []doctor.Finding `json:"findings" doc:"errors first; with --fix those that are left"`
	Errors   int              `json:"errors" doc:"findings of this severity"`
	Warnings int              `json:"warnings" doc:"findings of this severity"`
	Notes    int              `json:"notes" doc:"findings of this severity; they need nobody"`
	Checks   int              `json:"checks" doc:"how many there are"`
	Fixes    []doctorFix      `json:"fixes" doc:"of --fix: what was mended"`
	DryRun   bool             `json:"dry_run" doc:"nothing was changed"`
	Millis   int64            `json:"duration_ms" doc:"milliseconds"`
}

// doctorFix is something that was mended, or was to be.
type doctorFix struct {
	What  string `json:"what" doc:"what was done, or with dry_run would be"`
	Error string `json:"error" doc:"why it could not be done; empty when it was"`
}

func (r *doctorResult) Text(w io.Writer) {
	for _, x := range r.Fixes {
		switch {
		case r.DryRun:
			fmt.Fprintf(w, "would %s\n", x.What)
		case x.Error != "":
			fmt.Fprintf(w, "could not %s: %s\n", x.What, x.Error)
		default:
			fmt.Fprintf(w, "done: %s\n", x.What)
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s %-7s  %s\n", f.ID, f.Severity, f.Title)
		fmt.Fprintf(w, "      seen:  %s\n      why:   %s\n      mend:  %s\n", f.Seen, f.Why, f.Mend)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintf(w, "all is well: none of %d checks found anything\n", r.Checks)
		return
	}
	fmt.Fprintf(w, "%s, %s, %s\n", count(r.Errors, "error"), count(r.Warnings, "warning"), count(r.Notes, "note"))
}

func (a *App) runDoctor(ctx context.Context, o doctorOptions) error {
	began := time.Now()
	v := &visit{app: a, opts: o}
	facts, err := v.gather(ctx)
	if err != nil {
		return err
	}
	res := &doctorResult{Dir: facts.Dir, Findings: doctor.Examine(facts), Checks: len(doctor.Checks()), Fixes: []doctorFix{}, DryRun: a.dryRun}
	if o.fix {
		if res.Fixes, err = v.fix(ctx, facts); err != nil {
			return err
		}
		if len(res.Fixes) > 0 && !a.dryRun {
			v.opts.smoke = false // once is enough
			pushed := facts.Smoke
			if facts, err = v.gather(ctx); err != nil {
				return err
			}
			facts.Smoke = pushed
			res.Findings = doctor.Examine(facts)
		}
	}
	for _, f := range res.Findings {
		switch f.Severity {
		case doctor.Error:
			res.Errors++
		case doctor.Warning:
			res.Warnings++
		default:
			res.Notes++
		}
	}
	res.Millis = time.Since(began).Milliseconds()
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(res.Errors+res.Warnings > 0)
}

// trySmoke pushes and pulls through the front door as smoke does.
func (v *visit) trySmoke(ctx context.Context) *doctor.Smoke {
	failed := func(step string, err error) *doctor.Smoke { return &doctor.Smoke{Step: step, Error: err.Error()} }
	target, err := v.d.smokeTarget(doctorLayer)
	if err != nil {
		return failed("begin", err)
	}
	var done func() error
	if target.Username, target.Password, done, err = v.app.smokeLogin(ctx, v.d, smokeOptions{}); err != nil {
		return failed("login", err)
	}
	found, err := smoke.Run(ctx, target, nil)
	if doneErr := done(); err == nil && doneErr != nil {
		return failed("clean up", doneErr)
	}
	if err == nil {
		return nil
	}
	for _, s := range found.Steps {
		if s.Err != nil {
			return &doctor.Smoke{Step: s.Name, Cause: string(s.Cause), Error: s.Err.Error(), Meaning: s.Meaning}
		}
	}
	return failed("begin", err)
}

// doctorLayer is the size of the layer that doctor pushes.
const doctorLayer = 64 << 20
