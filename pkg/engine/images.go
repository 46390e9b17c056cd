package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/regctl/regctl/pkg/advice"
)

// ErrImage says that an image is neither on this host nor to be had.
var ErrImage = errors.New("image not available")

// ImageID returns the ID of an image on this host, or "" when it is not there.
func (c *Client) ImageID(ctx context.Context, ref string) (string, error) {
	var info image.InspectResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		info, err = c.api.ImageInspect(ctx, ref)
		return err
	})
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	return info.ID, err
}

// Pull pulls an image from its registry, without credentials. progress gets the
// engine's own words as they come. The error wraps ErrImage.
func (c *Client) Pull(ctx context.Context, ref string, progress func(line string)) error {
	err := c.pull(ctx, ref, progress)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return advice.With(fmt.Errorf("%w: %s is not on this host and cannot be pulled: %w", ErrImage, ref, err),
		"docker pull %s; on a host without internet, bring it in with regctl images save and load, or name another image in regctl.yaml", ref)
}

func (c *Client) pull(ctx context.Context, ref string, progress func(line string)) error {
	r, err := c.api.ImagePull(ctx, ref, image.PullOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	dec := json.NewDecoder(r)
	for {
		var m struct{ Status, ID, Error string }
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if m.ID == "" || m.Status == "Pull complete" {
			progress(m.Status)
		}
	}
}
