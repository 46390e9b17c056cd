package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/inventory"
	"github.com/regctl/regctl/pkg/storage"
)

const rootHelp = "storage directory of a registry (holds docker/registry/v2) instead of a deployment's volume"

func newRepoCommand(a *App) *cobra.Command {
	return group("repo", "List and remove repositories", newRepoLsCommand(a), newRepoRmCommand(a))
}

func newRepoLsCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List repositories with their tags and sizes",
		Long: `List repositories with their tags and sizes. SIZE is all that the manifests of a
repository need, OWN the part of it that no other repository needs too.

Exit status 3 where something is damaged; it is not counted.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runRepoLs(cmd.Context(), root) },
	}
	c.Flags().StringVar(&root, "root", "", rootHelp)
	return c
}

// repoList is what the registry holds. It is also what the job tells.
type repoList struct {
	Repositories []repoEntry       `json:"repositories" doc:"by name"`
	Problems     []storage.Problem `json:"problems" doc:"what is damaged; not empty: exit status 3"`
}

type repoEntry struct {
	Name      string     `json:"name" doc:"repository"`
	Tags      int        `json:"tags" doc:"count"`
	Manifests int        `json:"manifests" doc:"count, untagged ones too"`
	Bytes     int64      `json:"bytes" doc:"of all that its manifests need"`
	Unique    int64      `json:"unique_bytes" doc:"of what no other repository needs"`
	Pushed    *time.Time `json:"pushed" doc:"last push of a tag; null: there is none"`
}

func (r *repoList) Text(w io.Writer) {
	if len(r.Repositories) == 0 {
		fmt.Fprintln(w, "no repositories")
	} else {
		rows := [][]string{{"REPOSITORY", "TAGS", "MANIFESTS", "SIZE", "OWN", "PUSHED"}}
		for _, e := range r.Repositories {
			rows = append(rows, []string{e.Name, fmt.Sprint(e.Tags), fmt.Sprint(e.Manifests), ui.Bytes(e.Bytes), ui.Bytes(e.Unique), moment(e.Pushed)})
		}
		ui.Table(w, rows)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "! %s: %s (%s)\n", where(p), p.Message, p.ID)
	}
}

// moment is a time in a table.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// timeOrNil is a time in JSON, where the zero time is none.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// openReading finds the storage that a command only reads. It needs no lock.
func (a *App) openReading(ctx context.Context, root string) (_ site, done func(), err error) {
	if root != "" {
		root, err = checkRoot(root)
		return site{root: root, reads: true}, func() {}, err
	}
	d, err := a.open()
	if err != nil {
		return site{}, nil, err
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return site{}, nil, err
	}
	return site{d: d, engine: e, reads: true}, func() { e.Close() }, nil
}

func (a *App) runRepoLs(ctx context.Context, root string) error {
	at, done, err := a.openReading(ctx, root)
	if err != nil {
		return err
	}
	defer done()
	var list repoList
	if err := a.do(ctx, at, "repo ls", struct{}{}, &list); err != nil {
		return err
	}
	if err := a.ui.Result(&list); err != nil {
		return err
	}
	return problemsOf(len(list.Problems) > 0)
}

func repoLsJob(ctx context.Context, root string, _ json.RawMessage, _ func(progress)) (any, error) {
	list := &repoList{Repositories: []repoEntry{}, Problems: []storage.Problem{}}
	s, err := storage.Open(root)
	if errors.Is(err, storage.ErrNoStorage) {
		return list, nil // nothing was ever pushed
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	repositories, problems, err := inventory.Repositories(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, r := range repositories {
		list.Repositories = append(list.Repositories, repoEntry{r.Name, r.Tags, r.Manifests, r.Bytes, r.Unique, timeOrNil(r.Pushed)})
	}
	for _, p := range problems {
		if p.ID != storage.UnknownEntry { // what nobody knows is no damage
			list.Problems = append(list.Problems, p)
		}
	}
	return list, nil
}
