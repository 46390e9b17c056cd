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

func newBackupLsCommand(a *App) *cobra.Command {
	var f storeFlags
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the snapshots, the oldest first",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupLs(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

// snapshotInfo is a snapshot in a list.
type snapshotInfo struct {
	ID           string    `json:"id" doc:"its name; a beginning that is no other's will do"`
	Time         time.Time `json:"time" doc:"when it was begun"`
	Host         string    `json:"host" doc:"where"`
	Project      string    `json:"project" doc:"Compose project; empty for a backup of a directory"`
	Repositories int       `json:"repositories" doc:"count"`
	Tags         int       `json:"tags" doc:"count"`
	Blobs        int       `json:"blobs" doc:"count"`
	Bytes        int64     `json:"bytes" doc:"of the blobs that it needs"`
	Missing      int       `json:"missing" doc:"blobs that the registry did not have whole"`
	Config       bool      `json:"config" doc:"it has the deployment's configuration"`
}

func infoOf(s *backup.Snapshot) snapshotInfo {
	return snapshotInfo{s.ID, s.Time, s.Host, s.Project, s.Repositories, s.Tags, s.Blobs, s.Bytes, s.Missing, s.Config}
}

// snapshotList is what there is.
type snapshotList struct {
	Target    string           `json:"target" doc:"where the backups are"`
	Encrypted bool             `json:"encrypted" doc:"it takes an identity to read them"`
	Snapshots []snapshotInfo   `json:"snapshots" doc:"the oldest first"`
	Problems  []backup.Problem `json:"problems" doc:"snapshots that cannot be read"`
}

func (r *snapshotList) Text(w io.Writer) {
	rows := [][]string{{"SNAPSHOT", "TIME", "REPOSITORIES", "TAGS", "SIZE", ""}}
	for _, s := range r.Snapshots {
		note := ""
		if s.Missing > 0 {
			note = fmt.Sprintf("%d blobs missing", s.Missing)
		}
		rows = append(rows, []string{s.ID, s.Time.Local().Format("2006-01-02 15:04"), fmt.Sprint(s.Repositories), fmt.Sprint(s.Tags), ui.Bytes(s.Bytes), note})
	}
	if len(r.Snapshots) == 0 {
		fmt.Fprintf(w, "no snapshot in %s\n", r.Target)
	} else {
		ui.Table(w, rows)
	}
	printBackupProblems(w, r.Problems)
}

func (a *App) runBackupLs(ctx context.Context, f storeFlags) error {
	s, _, err := a.theStore(ctx, f)
	if err != nil {
		return err
	}
	defer s.Close()
	all, problems, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	r := &snapshotList{Target: s.String(), Encrypted: s.Encrypted(), Snapshots: []snapshotInfo{}, Problems: append([]backup.Problem{}, problems...)}
	for _, snap := range all {
		r.Snapshots = append(r.Snapshots, infoOf(snap))
	}
	if err := a.ui.Result(r); err != nil {
		return err
	}
	return problemsOf(len(problems) > 0)
}
