package engine

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	cerrdefs "github.com/containerd/errdefs"
)

// InUse is an image that a container on this engine was made from.
type InUse struct {
	Container string
	Tags      []string // host/repository:tag, as this engine knows them
	Digests   []string // host/repository@sha256:…, as it was pulled or pushed
}

// ImagesInUse lists the images of all containers, running or not: one that is
// stopped may be started again.
func (c *Client) ImagesInUse(ctx context.Context) ([]InUse, error) {
	var found []container.Summary
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	known := map[string]InUse{}
	var out []InUse
	for _, f := range found {
		use, ok := known[f.ImageID]
		if !ok {
			var info image.InspectResponse
			err := c.ask(ctx, func(ctx context.Context) (err error) {
				info, err = c.api.ImageInspect(ctx, f.ImageID)
				return err
			})
			// An image can be removed by force under a container that was made of it.
			if err != nil && !cerrdefs.IsNotFound(err) {
				return nil, err
			}
			use = InUse{Tags: info.RepoTags, Digests: info.RepoDigests}
			// What the container was asked for: its tag may be another image's by now.
			use.Tags = append(use.Tags[:len(use.Tags):len(use.Tags)], f.Image)
			known[f.ImageID] = use
		}
		use.Container = f.ID
		out = append(out, use)
	}
	return out, nil
}
