package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
)

func newBackupExportCommand(a *App) *cobra.Command {
	var f storeFlags
	var snapshot string
	c := &cobra.Command{
		Use:   "export FILE" + archiveSuffix,
		Short: "Write a snapshot with all it needs into one file",
		Long: `Write a snapshot with all its blobs into one file, from which regctl restore
--from FILE brings it back. Unpacked with tar and zstd it is a directory of
backups with that one snapshot.`,
		Args: exactly(1, "FILE"+archiveSuffix),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runBackupExport(cmd.Context(), f, snapshot, args[0])
		},
	}
	f.register(c)
	c.Flags().StringVar(&snapshot, "snapshot", "latest", "which one")
	return c
}

// archiveSuffix ends the name of an exported snapshot.
const archiveSuffix = ".tar.zst"

// exportResult is what was written.
type exportResult struct {
	DryRun   bool   `json:"dry_run" doc:"nothing was written"`
	Snapshot string `json:"snapshot" doc:"its ID"`
	File     string `json:"file" doc:"absolute path"`
	Bytes    int64  `json:"bytes" doc:"size of the file; 0 with --dry-run"`
}

func (r *exportResult) Text(w io.Writer) {
	if r.DryRun {
		fmt.Fprintf(w, "would write snapshot %s into %s\n", r.Snapshot, r.File)
		return
	}
	fmt.Fprintf(w, "snapshot %s is in %s, %s\n", r.Snapshot, r.File, ui.Bytes(r.Bytes))
}

func (a *App) runBackupExport(ctx context.Context, f storeFlags, name, file string) error {
	if !strings.HasSuffix(file, archiveSuffix) {
		return usagef("%s: the name of an export ends in %s", file, archiveSuffix)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	s, _, err := a.theStore(ctx, f)
	if err != nil {
		return err
	}
	defer s.Close()
	snap, err := s.Snapshot(ctx, name)
	if err != nil {
		return err
	}
	r := &exportResult{DryRun: a.dryRun, Snapshot: snap.ID, File: file}
	if !a.dryRun {
		tell, end := a.backupShow()
		r.Bytes, err = s.Export(ctx, snap, file, tell)
		end()
		if err != nil {
			return err
		}
	}
	return a.ui.Result(r)
}
