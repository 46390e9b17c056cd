package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
)

func newRenderCommand(a *App) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "render",
		Short: "Write the rendered files without starting anything",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.runRender(cmd.Context(), force) },
	}
	c.Flags().BoolVar(&force, "force", false, "replace files that were edited by hand; each is kept beside as NAME.edited")
	return c
}

type renderResult struct {
	DryRun  bool     `json:"dry_run" doc:"nothing was done"`
	Written []string `json:"written" doc:"files written, or to be written"`
	Kept    []string `json:"kept" doc:"copies of files edited by hand"`
}

func (r renderResult) Text(w io.Writer) {
	verb := "wrote"
	if r.DryRun {
		verb = "would write"
	}
	for _, name := range r.Kept {
		fmt.Fprintf(w, "kept your edited file as %s\n", name)
	}
	for _, name := range r.Written {
		fmt.Fprintf(w, "%s %s\n", verb, name)
	}
	if len(r.Written) == 0 {
		fmt.Fprintln(w, "nothing to write")
	}
}

func (a *App) runRender(ctx context.Context, force bool) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if !a.dryRun {
		held, err := lockDeployment(ctx, d.Layout, "render")
		if err != nil {
			return err
		}
		defer held.Release()
		if err := ensureSecret(d.Layout); err != nil {
			return err
		}
		if err := a.ensureCertificate(d); err != nil { // nginx -t wants to see it
			return err
		}
	}
	files, err := d.render()
	if err != nil {
		return err
	}
	drift, err := d.Compare(files)
	if err != nil {
		return err
	}
	if err := checkByHand(d, drift, force); err != nil {
		return err
	}
	res := renderResult{DryRun: a.dryRun, Written: []string{}, Kept: []string{}}
	for _, f := range drift {
		if f.Changes() {
			res.Written = append(res.Written, f.Path)
		}
	}
	if !a.dryRun && len(res.Written) > 0 {
		if err := a.checkIfPossible(ctx, d, files); err != nil {
			return err
		}
		kept, err := d.Write(files, drift, true)
		if err != nil {
			return err
		}
		res.Kept = append(res.Kept, kept...)
	}
	return a.ui.Result(res)
}

// checkIfPossible has the files tested in the stack's image when the engine is
// there and has it. Rendering needs no engine; `up` tests again.
func (a *App) checkIfPossible(ctx context.Context, d *deployment, files []compose.File) error {
	e, err := a.Connect(ctx)
	if errors.Is(err, engine.ErrUnavailable) {
		a.ui.Step("not tested with nginx -t: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer e.Close()
	id, err := e.ImageID(ctx, d.cfg.Nginx.Image)
	if err != nil {
		return err
	}
	if id == "" {
		a.ui.Step("not tested with nginx -t: the image %s is not here yet", d.cfg.Nginx.Image)
		return nil
	}
	return checkRendered(ctx, e, d, files)
}
