package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/gc"
)

type purgeOptions struct {
	root      string
	keepTrash time.Duration
	keepSet   bool // by its flag
}

func newGCPurgeCommand(a *App) *cobra.Command {
	var o purgeOptions
	c := &cobra.Command{
		Use: "purge", Short: "Free the trash of collections for good",
		Long: `Delete what collections older than --keep-trash took. It cannot be undone then.
What is needed after all is found and put back first.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.keepSet = cmd.Flags().Changed("keep-trash")
			return a.runGCPurge(cmd.Context(), o)
		},
	}
	c.Flags().StringVar(&o.root, "root", "", "storage directory of a registry instead of a deployment's volume")
	spanVar(c.Flags(), &o.keepTrash, "keep-trash", gc.DefaultKeepTrash, "keep what younger collections took; 0s keeps nothing")
	return c
}

// purgeResult is what was freed.
type purgeResult struct{ gc.Purged }

func (r *purgeResult) Text(w io.Writer) {
	verb := "freed"
	if r.DryRun {
		verb = "would free"
	}
	fmt.Fprintf(w, "%s %s of %d collections; %s of %d can still be undone\n", verb, ui.Bytes(r.Bytes), r.Runs, ui.Bytes(r.LeftBytes), r.LeftRuns)
	printProblems(w, r.Problems)
}

func (a *App) runGCPurge(ctx context.Context, o purgeOptions) error {
	if o.keepTrash < 0 {
		return usagef("--keep-trash %s is in the future", o.keepTrash)
	}
	if !a.dryRun && !a.yes && !ui.IsTerminal(a.In) {
		return advice.With(errors.New("this deletes for good, and nobody is here to confirm it"), "add --yes; --dry-run shows what would go")
	}
	at, done, err := a.openSite(ctx, o.root, "gc purge")
	if err != nil {
		return err
	}
	defer done()
	if at.d != nil && !o.keepSet {
		o.keepTrash = at.d.cfg.GC.KeepTrash.Std()
	}
	req := gcRequest{KeepTrash: o.keepTrash, Grace: gc.DefaultGrace, DryRun: a.dryRun, Command: "gc purge"}
	if !a.dryRun && !a.yes {
		plan := req
		plan.DryRun = true
		res, err := a.purge(ctx, at, plan)
		if err != nil {
			return err
		}
		res.Text(a.Err)
		if res.Runs == 0 {
			return nil
		}
		if !a.ui.Confirm(a.In, "Delete it for good?") {
			return errors.New("nothing was changed")
		}
	}
	res, err := a.purge(ctx, at, req)
	if err != nil {
		return err
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(len(res.Problems) > 0)
}

func (a *App) purge(ctx context.Context, at site, req gcRequest) (*purgeResult, error) {
	at.reads = req.DryRun
	res := &purgeResult{}
	return res, a.do(ctx, at, "gc purge", req, &res.Purged)
}
