package cli

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/config"
)

func newImagesCommand(a *App) *cobra.Command {
	return group("images", "Carry the stack's own images to a host without internet", newImagesSaveCommand(a), newImagesLoadCommand(a))
}

// stackImages are the images that a stack is made of.
func stackImages(cfg *config.Config) []string { return []string{cfg.Registry.Image, cfg.Nginx.Image} }

// errNoArchive says that a file does not hold images.
var errNoArchive = errors.New("not a file of images")

// archiveMost bounds the list of images in a file; a real one has a few hundred
// bytes.
const archiveMost = 1 << 20

// archivedImages lists the names of the images in a file that docker save or
// regctl images save wrote, sorted. It reads all of it.
func archivedImages(file io.Reader) ([]string, error) {
	in := bufio.NewReader(file)
	var plain io.Reader = in
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, noArchive(err)
		}
		plain = z
	}
	t := tar.NewReader(plain)
	names := []string{}
	found := false
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, noArchive(err)
		}
		if h.Name != "manifest.json" {
			continue
		}
		var list []struct{ RepoTags []string }
		if err := json.NewDecoder(io.LimitReader(t, archiveMost)).Decode(&list); err != nil {
			return nil, noArchive(fmt.Errorf("manifest.json: %w", err))
		}
		found = true
		for _, image := range list {
			names = append(names, image.RepoTags...)
		}
	}
	if !found {
		return nil, noArchive(errors.New("it has no manifest.json"))
	}
	slices.Sort(names)
	return names, nil
}

func noArchive(err error) error {
	return advice.With(fmt.Errorf("%w: %w", errNoArchive, err), "regctl images save FILE writes one, and so does docker save -o FILE IMAGE…")
}
