package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/audit"
	"github.com/regctl/regctl/pkg/config"
)

type auditOptions struct {
	since  string
	access bool
}

func newAuditCommand(a *App) *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show what regctl did here, when, and who had it done",
		Long: `Show each regctl command that changed something on this deployment or tried to:
when, which user on which machine, how it ended. It is kept in .regctl/audit.log,
which only its owner can read, some thousand commands far.

With --access also what clients did through the front door: who pushed, pulled and
deleted which tag or digest, and what was refused. That is taken from Nginx's log,
which goes as far back as its container and its size allow.`,
		Example: `  regctl audit --since 30d
  regctl audit --access --since 2026-01-31`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAudit(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.since, "since", "7d", "from when: so long ago (12h, 30d), a day (2026-01-31) or a time (2026-01-31T15:04:05Z)")
	f.BoolVar(&o.access, "access", false, "also who pushed, pulled and deleted what")
	return c
}

// auditResult is what was done.
type auditResult struct {
	Since    time.Time     `json:"since" doc:"from when"`
	Commands []audit.Entry `json:"commands" doc:"of regctl, oldest first"`
	Access   []accessEntry `json:"access" doc:"with --access: of clients, oldest first"`
	Damaged  int           `json:"damaged" doc:"lines of the audit that a crash cut off"`
}

func (r *auditResult) Text(w io.Writer) {
	type event struct {
		at   time.Time
		cols []string
	}
	var events []event
	for _, e := range r.Commands {
		who := e.User
		if who == "" {
			who = fmt.Sprint(e.UID)
		}
		if e.SudoUser != "" {
			who += " (" + e.SudoUser + ")"
		}
		outcome := "done"
		if e.Status != statusDone {
			outcome = fmt.Sprintf("status %d", e.Status)
		}
		events = append(events, event{e.Time, []string{who + "@" + e.Host, outcome, strings.TrimSpace("regctl " + e.Command + " " + typed(e.Args))}})
	}
	for _, e := range r.Access {
		events = append(events, event{e.Time, []string{e.who(), e.outcome(), e.what()}})
	}
	// The access log knows whole seconds; within one, commands come first.
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Truncate(time.Second).Compare(b.at.Truncate(time.Second)) })
	if len(events) == 0 {
		fmt.Fprintf(w, "nothing since %s\n", r.Since.Local().Format("2006-01-02 15:04"))
	}
	rows := [][]string{}
	for _, e := range events {
		rows = append(rows, append([]string{e.at.Local().Format(time.DateTime)}, e.cols...))
	}
	ui.Table(w, rows)
	if r.Damaged > 0 {
		fmt.Fprintf(w, "! %d lines were cut off by a crash and are left out\n", r.Damaged)
	}
}

// typed writes arguments as they would be typed, on one line.
func typed(args []string) string {
	var words []string
	for _, arg := range args {
		words = append(words, shellWord(strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				return '?'
			}
			return r
		}, arg)))
	}
	return strings.Join(words, " ")
}

func (a *App) runAudit(ctx context.Context, o auditOptions) error {
	since, err := sinceTime(o.since, a.Now())
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	r := &auditResult{Since: since, Access: []accessEntry{}}
	if r.Commands, r.Damaged, err = (audit.Log{Path: d.Path(auditFile)}).Read(since); err != nil {
		return err
	}
	if r.Commands == nil {
		r.Commands = []audit.Entry{}
	}
	if o.access {
		if r.Access, err = a.access(ctx, d, since); err != nil {
			return err
		}
	}
	return a.ui.Result(r)
}

// sinceTime reads a time in one of the forms of --since. A day begins at midnight
// where regctl runs.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d.Std()), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	return time.Time{}, usagef("--since %q is neither so long ago (12h, 30d) nor a day (2026-01-31) nor a time (2026-01-31T15:04:05Z)", text)
}
