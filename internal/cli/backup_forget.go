package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
)

type forgetOptions struct {
	storeFlags
	keep  backup.Keep
	prune bool
}

func newBackupForgetCommand(a *App) *cobra.Command {
	var o forgetOptions
	c := &cobra.Command{
		Use:   "forget [SNAPSHOT]...",
		Short: "Give up snapshots, by name or by age",
		Long: `Give up the named snapshots, or without a name those that no rule keeps. The rules
are flags or keys of regctl.yaml, with restic's meaning: --keep-daily 7 keeps the
last snapshot of each of the last seven days that have one; a snapshot stays that
any rule keeps. Where several registries share a target, each is looked at by
itself: the host and the project that a snapshot is of. The last good snapshot of
each always stays.

The blobs stay until regctl backup prune, or --prune.`,
		Example: `  regctl backup forget --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --prune
  regctl backup forget 20260301T041500Z`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			set := false
			for _, name := range []string{"keep-last", "keep-daily", "keep-weekly", "keep-monthly"} {
				set = set || cmd.Flags().Changed(name)
			}
			return a.runBackupForget(cmd.Context(), o, args, set)
		},
	}
	o.register(c)
	f := c.Flags()
	f.IntVar(&o.keep.Last, "keep-last", 0, "the last so many stay")
	f.IntVar(&o.keep.Daily, "keep-daily", 0, "the last of each of the last so many days")
	f.IntVar(&o.keep.Weekly, "keep-weekly", 0, "the last of each of the last so many weeks")
	f.IntVar(&o.keep.Monthly, "keep-monthly", 0, "the last of each of the last so many months")
	f.BoolVar(&o.prune, "prune", false, "then remove the blobs that no snapshot needs any more")
	return c
}

// forgetResult is what stays and goes.
type forgetResult struct {
	DryRun    bool             `json:"dry_run" doc:"nothing was removed"`
	Target    string           `json:"target" doc:"where the backups are"`
	Kept      []keptSnapshot   `json:"kept" doc:"snapshots that stay, the newest first"`
	Forgotten []snapshotInfo   `json:"forgotten" doc:"snapshots that went, or would go"`
	Pruned    *backup.Pruned   `json:"pruned" doc:"with --prune: what that removed; else null"`
	Problems  []backup.Problem `json:"problems" doc:"snapshots that cannot be read; they stay"`
}

type keptSnapshot struct {
	snapshotInfo
	Reasons []string `json:"reasons" doc:"last, daily, weekly, monthly, last good, no rule, not named"`
}

func (r *forgetResult) Text(w io.Writer) {
	verb := "forgot"
	if r.DryRun {
		verb = "would forget"
	}
	for _, s := range r.Kept {
		fmt.Fprintf(w, "keep   %s  %s\n", s.ID, strings.Join(s.Reasons, ", "))
	}
	for _, s := range r.Forgotten {
		fmt.Fprintf(w, "%s %s\n", verb, s.ID)
	}
	if len(r.Forgotten) == 0 {
		fmt.Fprintln(w, "nothing to forget")
	}
	if r.Pruned != nil {
		(&pruneResult{Pruned: *r.Pruned}).Text(w)
	}
	printBackupProblems(w, r.Problems)
}

func (a *App) runBackupForget(ctx context.Context, o forgetOptions, names []string, set bool) error {
	if o.keep.Last < 0 || o.keep.Daily < 0 || o.keep.Weekly < 0 || o.keep.Monthly < 0 {
		return usagef("a number of snapshots to keep is 0 or more")
	}
	if set && len(names) > 0 {
		return usagef("name snapshots, or rules, not both")
	}
	s, d, err := a.theStore(ctx, o.storeFlags)
	if err != nil {
		return err
	}
	defer s.Close()
	if !set && d != nil {
		b := d.cfg.Backup
		o.keep = backup.Keep{Last: b.KeepLast, Daily: b.KeepDaily, Weekly: b.KeepWeekly, Monthly: b.KeepMonthly}
	}
	if len(names) == 0 && o.keep == (backup.Keep{}) {
		return usagef("nothing says what stays: --keep-last and the like, backup.keep_last and the like in regctl.yaml, or a snapshot to forget")
	}
	all, problems, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	r := &forgetResult{DryRun: a.dryRun, Target: s.String(), Kept: []keptSnapshot{}, Forgotten: []snapshotInfo{}, Problems: append([]backup.Problem{}, problems...)}
	var ids []string
	if len(names) > 0 {
		named := map[string]bool{}
		for _, name := range names {
			if damaged(problems, name) { // a damaged one can be given up by its whole name
				named[name] = true
				ids = append(ids, name)
				continue
			}
			snap, err := s.Snapshot(ctx, name)
			if err != nil {
				return err
			}
			named[snap.ID] = true
		}
		for i := len(all) - 1; i >= 0; i-- {
			if named[all[i].ID] {
				r.Forgotten, ids = append(r.Forgotten, infoOf(all[i])), append(ids, all[i].ID)
			} else {
				r.Kept = append(r.Kept, keptSnapshot{infoOf(all[i]), []string{"not named"}})
			}
		}
	} else {
		for _, dec := range o.keep.Apply(all, a.Now().Location()) {
			if dec.Kept {
				r.Kept = append(r.Kept, keptSnapshot{infoOf(dec.Snapshot), dec.Reasons})
			} else {
				r.Forgotten, ids = append(r.Forgotten, infoOf(dec.Snapshot)), append(ids, dec.ID)
			}
		}
	}
	if !a.dryRun && len(ids) > 0 {
		if len(names) > 0 && !a.yes && ui.IsTerminal(a.In) && !a.ui.Confirm(a.In, fmt.Sprintf("Forget %d snapshots for good?", len(ids))) {
			return usagef("nothing was changed")
		}
		if err := s.Forget(ctx, ids, "regctl backup forget"); err != nil {
			return err
		}
	}
	if o.prune && !a.dryRun {
		tell, end := a.backupShow()
		r.Pruned, err = s.Prune(ctx, backup.PruneOptions{Command: "regctl backup forget --prune", Progress: tell})
		end()
		if err != nil {
			return err
		}
	}
	if err := a.ui.Result(r); err != nil {
		return err
	}
	return problemsOf(len(problems) > 0)
}

func damaged(problems []backup.Problem, id string) bool {
	for _, p := range problems {
		if strings.HasSuffix(p.Path, "/"+id) {
			return true
		}
	}
	return false
}
