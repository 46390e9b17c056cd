package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/schedule"
)

func newScheduleCommand(a *App) *cobra.Command {
	return group("schedule", "Have the commands that look after the registry run by themselves",
		newScheduleInstallCommand(a), newScheduleShowCommand(a), newScheduleRemoveCommand(a))
}

// schedulerFlags choose between the two; neither means both, or the better one.
type schedulerFlags struct{ cron, systemd bool }

func (f *schedulerFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&f.cron, "cron", false, "the crontab of the user who runs this")
	c.Flags().BoolVar(&f.systemd, "systemd", false, "timers of the system's systemd")
}

// check is the command's check of its arguments: it takes none.
func (f *schedulerFlags) check(cmd *cobra.Command, args []string) error {
	if f.cron && f.systemd {
		return usagef("--cron and --systemd are two places: name one")
	}
	return noArgs(cmd, args)
}

// place is a scheduler and what it has of the deployment.
type place struct {
	name string // systemd or cron
	schedule.Scheduler
	schedule.State
	looked error // why nothing is known of it
}

// places looks at the schedulers that the flags name, systemd first.
func (a *App) places(ctx context.Context, f schedulerFlags, s schedule.Schedule) []*place {
	var all []*place
	if !f.cron {
		all = append(all, &place{name: "systemd", Scheduler: a.Systemd})
	}
	if !f.systemd {
		all = append(all, &place{name: "cron", Scheduler: schedule.Crontab{Now: a.Now, Proc: "/proc"}})
	}
	for _, p := range all {
		p.State, p.looked = p.Look(ctx, s)
	}
	return all
}

// unknown is the first reason why one of the places could not be looked at. Where
// there is no crontab program there is nothing to be found, unless it was asked
// for.
func unknown(f schedulerFlags, places []*place) error {
	for _, p := range places {
		if p.looked != nil && (f.cron || !errors.Is(p.looked, schedule.ErrNoCron)) {
			return p.looked
		}
	}
	return nil
}

// scheduleResult is what runs by itself, or would.
type scheduleResult struct {
	Project   string          `json:"project" doc:"Compose project"`
	Dir       string          `json:"dir" doc:"deployment directory"`
	Scheduler string          `json:"scheduler" doc:"systemd or cron; empty: none"`
	Installed bool            `json:"installed" doc:"something of this deployment is there"`
	Current   bool            `json:"current" doc:"it is as schedule install would make it"`
	Changed   bool            `json:"changed" doc:"this run changed, or with dry_run would change, something"`
	DryRun    bool            `json:"dry_run" doc:"nothing was done"`
	Jobs      []scheduleJob   `json:"jobs" doc:"what is to be run"`
	Files     []scheduledFile `json:"files" doc:"what is installed; of install: what it installs; of remove: what it takes away"`
	Problems  []string        `json:"problems" doc:"why it would not run as it should; not empty: exit status 3"`

	action string // install, show or remove
}

type scheduleJob struct {
	Name    string     `json:"name" doc:"key under schedule in regctl.yaml"`
	Command string     `json:"command" doc:"of regctl"`
	Times   string     `json:"times" doc:"minute hour day-of-month month day-of-week, local time"`
	Next    *time.Time `json:"next" doc:"time; null when it is not installed or not known"`
}

type scheduledFile struct {
	Path    string `json:"path" doc:"of the unit; crontab: the block in the user's crontab"`
	Content string `json:"content" doc:"text"`
}

// newScheduleResult describes what a place has, or with wanted what it would
// have.
func newScheduleResult(action string, s schedule.Schedule, p *place, wanted bool) *scheduleResult {
	r := &scheduleResult{Project: s.Project, Dir: s.Dir, Jobs: []scheduleJob{}, Files: []scheduledFile{}, Problems: []string{}, action: action}
	for _, j := range s.Jobs {
		job := scheduleJob{Name: j.Name, Command: strings.Join(j.Args, " "), Times: j.When.String()}
		if p != nil {
			if next, ok := p.Next[j.Name]; ok && !next.IsZero() {
				job.Next = &next
			}
		}
		r.Jobs = append(r.Jobs, job)
	}
	if p == nil {
		return r
	}
	r.Scheduler, r.Installed, r.Current = p.name, p.Installed, p.Current
	files := p.Have
	if wanted {
		files = p.Want
	}
	for _, f := range files {
		r.Files = append(r.Files, scheduledFile{f.Path, f.Content})
	}
	return r
}

func (r *scheduleResult) Text(w io.Writer) {
	switch {
	case r.DryRun && r.Changed:
		r.plan(w)
		return
	case r.action == "remove" && r.Changed:
		fmt.Fprintf(w, "removed from %s: nothing of %s is run by itself any more\n", r.Scheduler, r.Dir)
		return
	case !r.Installed || r.action == "remove":
		fmt.Fprintf(w, "nothing of %s is run by itself\n", r.Dir)
	default:
		state := "runs with " + r.Scheduler
		if r.action == "install" && !r.Changed {
			state += " already"
		}
		fmt.Fprintf(w, "%s: %s\n", r.Dir, state)
		rows := [][]string{{"COMMAND", "TIMES", "NEXT"}}
		for _, j := range r.Jobs {
			next := "-"
			if j.Next != nil {
				next = j.Next.Local().Format("Mon 2006-01-02 15:04")
			}
			rows = append(rows, []string{j.Command, j.Times, next})
		}
		ui.Table(w, rows)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "! %s\n", p)
	}
}

// plan is what would be installed, byte for byte, or what would go.
func (r *scheduleResult) plan(w io.Writer) {
	for i, f := range r.Files {
		switch {
		case r.action == "remove" && f.Path != "crontab":
			fmt.Fprintf(w, "would remove %s\n", f.Path)
		case r.action == "remove":
			fmt.Fprintf(w, "would take out of the crontab:\n%s", f.Content)
		case f.Path == "crontab":
			fmt.Fprint(w, f.Content) // it says itself what it is
		default:
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "==> %s <==\n%s", f.Path, f.Content)
		}
	}
}
