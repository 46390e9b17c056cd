package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/engine"
)

func newImagesSaveCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use: "save FILE", Short: "Write the images that the stack is made of into a file",
		Long: `Write the images that regctl.yaml names, or without a deployment those that init
would name, into one file. What is not on this host is pulled first. The file is
what docker save writes, packed with gzip when its name ends in .gz.

On the other host: regctl images load FILE, then regctl up.`,
		Args: exactly(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runImagesSave(cmd.Context(), args[0]) },
	}
}

// imagesSaved is what was written.
type imagesSaved struct {
	DryRun bool         `json:"dry_run" doc:"nothing was written"`
	File   string       `json:"file" doc:"absolute path"`
	Bytes  int64        `json:"bytes" doc:"size of the file; 0 with --dry-run"`
	Images []savedImage `json:"images" doc:"those in it"`
}

type savedImage struct {
	Reference string `json:"reference" doc:"as regctl.yaml names it"`
	ID        string `json:"id" doc:"the Engine's; empty: it is not here and would be pulled"`
}

func (r *imagesSaved) Text(w io.Writer) {
	names := make([]string, len(r.Images))
	for i, image := range r.Images {
		names[i] = image.Reference
		if image.ID == "" {
			names[i] += " (to be pulled)"
		}
	}
	if r.DryRun {
		fmt.Fprintf(w, "would write %s into %s\n", strings.Join(names, " and "), r.File)
		return
	}
	fmt.Fprintf(w, "%s are in %s, %s\n", strings.Join(names, " and "), r.File, ui.Bytes(r.Bytes))
	fmt.Fprintf(w, "on the other host: regctl images load %s\n", filepath.Base(r.File))
}

func (a *App) runImagesSave(ctx context.Context, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	cfg, err := a.configOrDefaults()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return advice.With(&fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}, "name another file, or remove that one")
	}
	e, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	r := &imagesSaved{DryRun: a.dryRun, File: file}
	for _, ref := range stackImages(cfg) {
		if !a.dryRun {
			if err := a.haveImage(ctx, e, ref); err != nil {
				return err
			}
		}
		id, err := e.ImageID(ctx, ref)
		if err != nil {
			return err
		}
		r.Images = append(r.Images, savedImage{Reference: ref, ID: id})
		if strings.Contains(ref, "@") {
			a.ui.Warn("%s is named by its digest, and not every Docker Engine finds a loaded image by that: name it by a tag in regctl.yaml", ref)
		}
	}
	if !a.dryRun {
		if r.Bytes, err = a.writeImages(ctx, e, stackImages(cfg), file); err != nil {
			return err
		}
	}
	return a.ui.Result(r)
}

// configOrDefaults is the deployment's configuration, or what one would begin
// with where there is none.
func (a *App) configOrDefaults() (*config.Config, error) {
	d, err := a.open()
	if errors.Is(err, errNoDeployment) && a.dir == "" {
		return config.Default(), nil
	}
	if err != nil {
		return nil, err
	}
	return d.cfg, nil
}

// writeImages streams images into a file and returns its size.
func (a *App) writeImages(ctx context.Context, e *engine.Client, refs []string, file string) (int64, error) {
	return durable.Stream(file, 0o644, func(w io.Writer) error {
		stream, err := e.SaveImages(ctx, refs)
		if err != nil {
			return err
		}
		defer stream.Close()
		show := &ui.Progress{UI: &a.ui}
		defer show.End()
		in := &watched{r: stream, tell: func(n int64) { show.Show(ui.Amount{Phase: "writing images", Bytes: n}) }}
		if !strings.HasSuffix(file, ".gz") {
			_, err := io.Copy(w, in)
			return err
		}
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed) // a hundred megabytes: half the time for a tenth more
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, in); err != nil {
			return err
		}
		return z.Close()
	})
}

// watched tells how much was read.
type watched struct {
	r    io.Reader
	n    int64
	tell func(n int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	w.tell(w.n)
	return n, err
}
