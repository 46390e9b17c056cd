package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
)

func newBackupPruneCommand(a *App) *cobra.Command {
	var f storeFlags
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove from the backups what no snapshot needs",
		Long: `Remove the blobs that no snapshot needs, and what interrupted runs left. Nobody
else may be at work on these backups meanwhile, from this or another host. If a
snapshot cannot be read, nothing is removed: nobody knows what it needs.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupPrune(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

// pruneResult is what went.
type pruneResult struct {
	Target string `json:"target" doc:"where the backups are"`
	backup.Pruned
}

func (r *pruneResult) Text(w io.Writer) {
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
	}
	fmt.Fprintf(w, "%s %s in %s that no snapshot needs; %d stay\n", verb, ui.Bytes(r.Bytes), count(int(r.Removed), "blob"), r.Kept)
}

func (a *App) runBackupPrune(ctx context.Context, f storeFlags) error {
	s, _, err := a.theStore(ctx, f)
	if err != nil {
		return err
	}
	defer s.Close()
	tell, end := a.backupShow()
	out, err := s.Prune(ctx, backup.PruneOptions{DryRun: a.dryRun, Command: "regctl backup prune", Progress: tell})
	end()
	if err != nil {
		return err
	}
	return a.ui.Result(&pruneResult{s.String(), *out})
}
