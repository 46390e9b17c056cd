package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	cerrdefs "github.com/containerd/errdefs"
)

// volumeGoes is how long the removal of a volume is waited for: it may hold a
// whole registry.
const volumeGoes = 10 * time.Minute

// MakeDrillVolume makes a volume that is thrown away. It is not Compose's, so that
// nothing takes it for one of the stack's. It is not broken off by the end of ctx: the
// engine would go on, and make it after it was swept.
func (c *Client) MakeDrillVolume(ctx context.Context, project string) (name string, err error) {
	name = project + "_drill-" + strings.ToLower(rand.Text()[:8])
	return name, c.ask(context.WithoutCancel(ctx), func(ctx context.Context) error {
		_, err := c.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: map[string]string{labelDrill: project}})
		return err
	})
}

// DrillLeft are the containers and volumes that drills of a project have, or have
// left. A volume is named with the word before its name.
func (c *Client) DrillLeft(ctx context.Context, project string) ([]OneOff, error) {
	out, err := c.oneOffs(ctx, labelDrill, project)
	if err != nil {
		return nil, err
	}
	volumes, err := c.drillVolumes(ctx, project)
	for _, v := range volumes {
		made, _ := time.Parse(time.RFC3339, v.CreatedAt)
		out = append(out, OneOff{Name: "volume " + v.Name, Made: made})
	}
	return out, err
}

func (c *Client) drillVolumes(ctx context.Context, project string) ([]*volume.Volume, error) {
	var found volume.ListResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelDrill+"="+project))})
		return err
	})
	return found.Volumes, err
}

// SweepDrill removes the containers and volumes of the project's drills, also those
// that are at work: the caller holds the drill's lock. It goes on when ctx ends.
func (c *Client) SweepDrill(ctx context.Context, project string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), volumeGoes)
	defer cancel()
	for began := time.Now(); ; time.Sleep(between) {
		inUse, err := c.sweepDrill(ctx, project)
		// What a drill asked for that was killed may just be coming to be.
		if !inUse || time.Since(began) > lateComes {
			return err
		}
	}
}

// A container that was asked for by somebody who is gone is there within lateComes,
// also on a host at its limits.
const (
	between   = 200 * time.Millisecond
	lateComes = time.Minute
)

func (c *Client) sweepDrill(ctx context.Context, project string) (inUse bool, err error) {
	if err := c.sweep(ctx, labelDrill, project, 0); err != nil {
		return false, err
	}
	volumes, err := c.drillVolumes(ctx, project)
	for _, v := range volumes {
		if gone := c.api.VolumeRemove(ctx, v.Name, true); gone != nil && !cerrdefs.IsNotFound(gone) {
			inUse = inUse || cerrdefs.IsConflict(gone)
			err = errors.Join(err, fmt.Errorf("volume %s: %w", v.Name, gone))
		}
	}
	return inUse, err
}
