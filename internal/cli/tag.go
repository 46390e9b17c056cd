package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/inventory"
	"github.com/regctl/regctl/pkg/storage"
)

func newTagCommand(a *App) *cobra.Command {
	return group("tag", "List and remove tags", newTagLsCommand(a), newTagRmCommand(a))
}

func newTagLsCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "ls REPOSITORY", Aliases: []string{"list"}, Short: "List the tags of a repository with sizes, dates and platforms",
		Long: `List the tags of a repository with sizes, dates and platforms. SIZE is all that a tag
needs, OWN the part of it that no other tag of the repository needs too.

Exit status 3 where something is damaged.`,
		Args: exactly(1, "REPOSITORY"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runTagLs(cmd.Context(), root, args[0]) },
	}
	c.Flags().StringVar(&root, "root", "", rootHelp)
	return c
}

// tagList is what a repository holds. It is also what the job tells.
type tagList struct {
	Repository string     `json:"repository" doc:"name"`
	Tags       []tagEntry `json:"tags" doc:"by name"`
}

type tagEntry struct {
	Name      string     `json:"name" doc:"tag"`
	Digest    string     `json:"digest" doc:"of its manifest; empty: it cannot be read"`
	Kind      string     `json:"kind" doc:"image, index, artifact or schema1"`
	MediaType string     `json:"media_type" doc:"as the manifest says"`
	Pushed    *time.Time `json:"pushed" doc:"time of its last push"`
	Created   *time.Time `json:"created" doc:"time at which the image was built, as its builder says; null: it does not"`
	Platforms []string   `json:"platforms" doc:"os/architecture[/variant]"`
	Bytes     int64      `json:"bytes" doc:"of all that it needs"`
	Unique    int64      `json:"unique_bytes" doc:"of what no other tag of the repository needs"`
	Signed    bool       `json:"signed" doc:"a signature of cosign or Notation is there; whose it is was not looked at"`
	Fault     string     `json:"fault" doc:"why it cannot be read or is not whole; empty: it is"`
}

func (r *tagList) Text(w io.Writer) {
	if len(r.Tags) == 0 {
		fmt.Fprintln(w, "no tags")
		return
	}
	rows := [][]string{{"TAG", "DIGEST", "PUSHED", "BUILT", "SIZE", "OWN", "SIGNED", "PLATFORMS"}}
	for _, t := range r.Tags {
		digest, signed, built := "-", "-", "-"
		if _, hex, ok := strings.Cut(t.Digest, ":"); ok {
			digest = hex[:12]
		}
		if t.Signed {
			signed = "yes"
		}
		if t.Created != nil {
			built = t.Created.Local().Format(time.DateOnly)
		}
		rows = append(rows, []string{t.Name, digest, moment(t.Pushed), built, ui.Bytes(t.Bytes), ui.Bytes(t.Unique), signed, strings.Join(t.Platforms, " ")})
	}
	ui.Table(w, rows)
	for _, t := range r.Tags {
		if t.Fault != "" {
			fmt.Fprintf(w, "! %s: %s\n", t.Name, t.Fault)
		}
	}
}

func (a *App) runTagLs(ctx context.Context, root, repository string) error {
	if !storage.ValidRepository(repository) {
		return usagef("%q is no name of a repository", repository)
	}
	at, done, err := a.openReading(ctx, root)
	if err != nil {
		return err
	}
	defer done()
	var list tagList
	if err := a.do(ctx, at, "tag ls", repository, &list); err != nil {
		return err
	}
	if err := a.ui.Result(&list); err != nil {
		return err
	}
	for _, t := range list.Tags {
		if t.Fault != "" {
			return errProblems
		}
	}
	return nil
}

func tagLsJob(ctx context.Context, root string, options json.RawMessage, _ func(progress)) (any, error) {
	list := &tagList{Tags: []tagEntry{}}
	if err := json.Unmarshal(options, &list.Repository); err != nil {
		return nil, err
	}
	unknown := advice.With(&gc.UnknownError{Repository: list.Repository}, "regctl repo ls lists those that there are")
	s, err := storage.Open(root)
	if errors.Is(err, storage.ErrNoStorage) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tags, err := inventory.Tags(ctx, s, list.Repository)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		list.Tags = append(list.Tags, tagEntry{t.Name, t.Digest.String(), t.Kind, t.MediaType, timeOrNil(t.Pushed), timeOrNil(t.Created), t.Platforms, t.Bytes, t.Unique, t.Signed, t.Fault})
	}
	return list, nil
}
