package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/compose"
)

func newDiffCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "diff",
		Short: "Show what up would change in the rendered files",
		Long: `Show how the rendered files on disk differ from what regctl would render now.

A file is outdated when regctl.yaml (or regctl) changed since it was written, and
edited when somebody changed it by hand. Exit status 3 when one was edited.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.runDiff() },
	}
}

type diffResult struct {
	Changed bool       `json:"changed" doc:"up would change something"`
	Edited  bool       `json:"edited" doc:"something was changed by hand"`
	Files   []diffFile `json:"files" doc:"every rendered file"`
}

type diffFile struct {
	Path  string        `json:"path" doc:"relative to the deployment directory"`
	State compose.State `json:"state" doc:"current, missing, outdated, edited or foreign"`
	Mode  bool          `json:"mode" doc:"its permissions differ"`
	Diff  string        `json:"diff" doc:"unified, from disk to rendering; values of secrets are not shown"`
}

func (r diffResult) Text(w io.Writer) {
	for _, f := range r.Files {
		switch {
		case f.State == compose.Current && !f.Mode:
			continue
		case f.State == compose.Current:
			fmt.Fprintf(w, "%s: its permissions were changed\n", f.Path)
		default:
			fmt.Fprintf(w, "%s: %s\n%s", f.Path, stateText[f.State], f.Diff)
		}
	}
	if !r.Changed {
		fmt.Fprintln(w, "no differences")
	}
}

var stateText = map[compose.State]string{
	compose.Missing:  "missing, would be written",
	compose.Outdated: "out of date, would be written anew",
	compose.Edited:   "edited by hand",
	compose.Foreign:  "not written by regctl",
}

func (a *App) runDiff() error {
	d, err := a.open()
	if err != nil {
		return err
	}
	files, err := d.render()
	if err != nil {
		return err
	}
	drift, err := d.Compare(files)
	if err != nil {
		return err
	}
	res := diffResult{Files: []diffFile{}}
	for _, f := range drift {
		res.Changed = res.Changed || f.Changes()
		res.Edited = res.Edited || f.ByHand()
		res.Files = append(res.Files, diffFile{f.Path, f.State, f.Mode, f.Diff})
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	if res.Edited {
		return errProblems
	}
	return nil
}
