package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/gc"
)

func newGCUndoCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "undo", Short: "Put back what the last collection, or removal of tags, took",
		Long: `Put back what the last collection took, byte for byte and with its times. After
it the one before is the last. What was pushed since stays as it is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runGCUndo(cmd.Context(), root) },
	}
	c.Flags().StringVar(&root, "root", "", "storage directory of a registry instead of a deployment's volume")
	return c
}

// undoResult is what was put back.
type undoResult struct {
	DryRun bool `json:"dry_run" doc:"nothing was done"`
	gc.Restored
}

func (r *undoResult) Text(w io.Writer) {
	verb := "put back"
	if r.DryRun {
		verb = "would put back"
	}
	fmt.Fprintf(w, "%s what %s took: %s, %s in blobs\n", verb, r.Run, count(r.Items, "item"), ui.Bytes(r.Bytes))
	printProblems(w, r.Problems)
}

func (a *App) runGCUndo(ctx context.Context, root string) error {
	at, done, err := a.openSite(ctx, root, "gc undo")
	if err != nil {
		return err
	}
	defer done()
	at.reads = a.dryRun
	res := &undoResult{DryRun: a.dryRun}
	if err := a.do(ctx, at, "gc undo", gcRequest{DryRun: a.dryRun, Command: "gc undo"}, &res.Restored); err != nil {
		return err
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(len(res.Problems) > 0)
}
