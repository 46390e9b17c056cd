package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
)

func newImagesLoadCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "load FILE", Short: "Bring the images in a file to this host's Docker Engine",
		Long: `Bring the images in a file that regctl images save, or docker save, wrote to this
host's Docker Engine. Where there is a deployment, or with --dir, it is also made
sure that the images which regctl.yaml names are there then; exit status 3 where
one is not.`,
		Args: exactly(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runImagesLoad(cmd.Context(), args[0]) },
	}
}

// imagesLoaded is what was brought in.
type imagesLoaded struct {
	DryRun  bool     `json:"dry_run" doc:"nothing was loaded"`
	File    string   `json:"file" doc:"absolute path"`
	Images  []string `json:"images" doc:"references in the file"`
	Missing []string `json:"missing" doc:"references that regctl.yaml names and that are not on this host (with --dry-run: nor in the file)"`
}

func (r *imagesLoaded) Text(w io.Writer) {
	verb := "loaded"
	if r.DryRun {
		verb = "would load"
	}
	what := strings.Join(r.Images, " and ")
	if what == "" {
		what = "images without a name"
	}
	fmt.Fprintf(w, "%s %s\n", verb, what)
	for _, ref := range r.Missing {
		fmt.Fprintf(w, "! %s, which regctl.yaml names, is still missing\n", ref)
	}
}

func (a *App) runImagesLoad(ctx context.Context, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	var wanted []string
	switch d, err := a.open(); {
	case err == nil:
		wanted = stackImages(d.cfg)
	case !errors.Is(err, errNoDeployment) || a.dir != "":
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := &imagesLoaded{DryRun: a.dryRun, File: file, Missing: []string{}}
	// The engine's words about a file that holds no images are of little help.
	if r.Images, err = archivedImages(f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	if !a.dryRun {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		show := &ui.Progress{UI: &a.ui}
		in := &watched{r: f, tell: func(n int64) { show.Show(ui.Amount{Phase: "loading images", Bytes: n}) }}
		err := e.LoadImages(ctx, in)
		show.End()
		if err != nil {
			return err
		}
	}
	for _, ref := range wanted {
		if a.dryRun && slices.Contains(r.Images, ref) {
			continue
		}
		id, err := e.ImageID(ctx, ref)
		if err != nil {
			return err
		}
		if id == "" {
			r.Missing = append(r.Missing, ref)
		}
	}
	if err := a.ui.Result(r); err != nil {
		return err
	}
	return problemsOf(len(r.Missing) > 0)
}
