package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
)

func newBackupCommand(a *App) *cobra.Command {
	var o createOptions
	c := &cobra.Command{
		Use:   "backup",
		Short: "Keep the images and the configuration somewhere else",
		Long: `Without another word: make a backup, as backup create does.

A backup has every image and tag, and the deployment's configuration with users,
certificates and keys. The registry runs on. Each blob is stored once, compared
with its digest on the way; a further backup writes what is new. The target is a
directory (another disk, a mounted NFS) or s3://bucket/prefix, named in
regctl.yaml or with --to. With recipients in regctl.yaml it is encrypted.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupCreate(cmd.Context(), o) },
	}
	o.register(c)
	c.AddCommand(newBackupCreateCommand(a), newBackupLsCommand(a), newBackupVerifyCommand(a), newBackupDrillCommand(a), newBackupForgetCommand(a),
		newBackupPruneCommand(a), newBackupExportCommand(a), newBackupUnlockCommand(a))
	return c
}

// storeFlags say where backups are and how to read them.
type storeFlags struct {
	dest     string
	identity string
}

func (f *storeFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.dest, "from", "", "directory or s3://bucket/prefix with the backups (default: backup.target in regctl.yaml)")
	c.Flags().StringVar(&f.identity, "identity", "", "age identity file that decrypts them (default: backup.identity in regctl.yaml)")
}

// openStore opens the backups that a command is about, on this host.
func (a *App) openStore(ctx context.Context, d *deployment, f storeFlags) (*backup.Store, error) {
	p, err := a.depot(d, f)
	if err != nil {
		return nil, err
	}
	keys, err := backup.NewKeys(nil, p.identity)
	if err != nil {
		return nil, err
	}
	t, err := backup.OpenTarget(p.dest, p.access, false)
	if err != nil {
		if fi, statErr := os.Stat(p.dest); statErr == nil && fi.Mode().IsRegular() {
			err = advice.With(err, "an exported file: regctl restore --from FILE and regctl backup drill --from FILE take it")
		}
		return nil, err
	}
	s, err := backup.Open(ctx, t, keys)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return s, nil
}

// deploymentIf opens the deployment, which need not be there if flags say where
// the backups are.
func (a *App) deploymentIf(f storeFlags) (*deployment, error) {
	d, err := a.open()
	if errors.Is(err, errNoDeployment) && f.dest != "" {
		return nil, nil
	}
	return d, err
}

// theStore is deploymentIf and openStore.
func (a *App) theStore(ctx context.Context, f storeFlags) (*backup.Store, *deployment, error) {
	d, err := a.deploymentIf(f)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.openStore(ctx, d, f)
	return s, d, err
}

func backupProgress(tell func(progress)) func(backup.Progress) {
	return func(p backup.Progress) {
		tell(progress{Phase: backupPhases[p.Phase], Done: p.Done, Total: p.Total, Bytes: p.Bytes, BytesTotal: p.BytesTotal})
	}
}

var backupPhases = map[backup.Phase]string{
	backup.PhaseScan:    "reading repositories",
	backup.PhaseCopy:    "copying blobs",
	backup.PhaseVerify:  "comparing blobs with their digests",
	backup.PhaseRestore: "bringing back blobs",
	backup.PhaseLinks:   "writing links",
	backup.PhasePrune:   "removing blobs",
}

// printBackupProblems lists what needs a person.
func printBackupProblems(w io.Writer, problems []backup.Problem) {
	for _, p := range problems {
		var at []string
		for _, s := range []string{p.Repository, p.Path} {
			if s != "" {
				at = append(at, s)
			}
		}
		fmt.Fprintf(w, "! %s: %s (%s)\n", strings.Join(at, " at "), p.Message, p.ID)
	}
}
