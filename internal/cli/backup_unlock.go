package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
)

func newBackupUnlockCommand(a *App) *cobra.Command {
	var f storeFlags
	c := &cobra.Command{
		Use:   "unlock",
		Short: "Break the locks in the backups, when nobody is at work there",
		Long: `Show the locks in the backups and break them. A run that was killed on another host
leaves one, which counts for half an hour. A run whose lock is broken ends
without a snapshot.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupUnlock(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

// unlockResult are the locks that were there.
type unlockResult struct {
	DryRun bool       `json:"dry_run" doc:"they are still there"`
	Target string     `json:"target" doc:"where the backups are"`
	Locks  []lockInfo `json:"locks" doc:"that were broken, or would be"`
}

type lockInfo struct {
	backup.LockInfo
	AgeSeconds int64 `json:"age_seconds" doc:"since it was renewed, against the youngest lock there"`
}

func (r *unlockResult) Text(w io.Writer) {
	verb := "broke"
	if r.DryRun {
		verb = "would break"
	}
	for _, l := range r.Locks {
		fmt.Fprintf(w, "%s the lock of %q on %s, pid %d, of %s\n", verb, l.Command, l.Host, l.PID, l.Started.Local().Format(time.DateTime))
	}
	if len(r.Locks) == 0 {
		fmt.Fprintln(w, "no lock")
	}
}

func (a *App) runBackupUnlock(ctx context.Context, f storeFlags) error {
	s, _, err := a.theStore(ctx, f)
	if err != nil {
		return err
	}
	defer s.Close()
	locks, err := s.Locks(ctx)
	if err != nil {
		return err
	}
	r := &unlockResult{DryRun: a.dryRun, Target: s.String(), Locks: []lockInfo{}}
	for _, l := range locks {
		r.Locks = append(r.Locks, lockInfo{l, int64(l.Age.Seconds())})
	}
	if !a.dryRun && len(locks) > 0 {
		if !a.yes {
			r.DryRun = true
			r.Text(a.Err)
			r.DryRun = false
			if !ui.IsTerminal(a.In) {
				return usagef("backup unlock needs --yes, or a terminal to ask")
			}
			if !a.ui.Confirm(a.In, "Is none of these at work any more?") {
				return usagef("nothing was changed")
			}
		}
		if _, err := s.Unlock(ctx); err != nil {
			return err
		}
	}
	return a.ui.Result(r)
}
