package engine

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	cerrdefs "github.com/containerd/errdefs"
)

// Details is what only a closer look at a container tells.
type Details struct {
	OOMKilled  bool
	Env        []string // NAME=value, of the container's process
	LogDriver  string
	LogBounded bool   // the driver has a largest size
	LogPath    string // on the engine's host; empty: it has no file
}

// Details looks closely at a container.
func (c *Client) Details(ctx context.Context, id string) (Details, error) {
	var info container.InspectResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		info, err = c.api.ContainerInspect(ctx, id)
		return err
	})
	if err != nil {
		return Details{}, err
	}
	var d Details
	if info.ContainerJSONBase != nil {
		d.LogPath = info.LogPath
		if info.State != nil {
			d.OOMKilled = info.State.OOMKilled
		}
		if info.HostConfig != nil {
			d.LogDriver = info.HostConfig.LogConfig.Type
			d.LogBounded = info.HostConfig.LogConfig.Config["max-size"] != ""
		}
	}
	if info.Config != nil {
		d.Env = info.Config.Env
	}
	return d, nil
}

// ServerVersion is the engine's own version.
func (c *Client) ServerVersion(ctx context.Context) (string, error) {
	var version string
	err := c.ask(ctx, func(ctx context.Context) error {
		v, err := c.api.ServerVersion(ctx)
		version = v.Version
		return err
	})
	return version, err
}

// VolumePath is where a volume lies on the engine's host, "" where there is no
// such volume, or it is not a directory there.
func (c *Client) VolumePath(ctx context.Context, name string) (string, error) {
	var v volume.Volume
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		v, err = c.api.VolumeInspect(ctx, name)
		return err
	})
	if cerrdefs.IsNotFound(err) {
		return "", nil
	}
	return v.Mountpoint, err
}

// OneOff is a container that does one piece of work for a stack.
type OneOff struct {
	Name  string
	Made  time.Time
	Reads bool // it needs no lock
}

// OneOffs lists the one-off containers of a project, running or not.
func (c *Client) OneOffs(ctx context.Context, project string) ([]OneOff, error) {
	once, err := c.oneOffs(ctx, labelOnce, project)
	if err != nil {
		return nil, err
	}
	reads, err := c.oneOffs(ctx, labelReads, project)
	for i := range reads {
		reads[i].Reads = true
	}
	return append(once, reads...), err
}

func (c *Client) oneOffs(ctx context.Context, label, project string) (out []OneOff, err error) {
	var found []container.Summary
	err = c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+project))})
		return err
	})
	for _, f := range found {
		name := f.ID
		if len(f.Names) > 0 {
			name = f.Names[0][1:]
		}
		out = append(out, OneOff{Name: name, Made: time.Unix(f.Created, 0)})
	}
	return out, err
}

// SweepOneOffs removes the one-off containers that runs which were killed left.
// The caller holds the deployment's lock, so those that change something are
// nobody's; those that only read, and need no lock, go when they are an hour old.
func (c *Client) SweepOneOffs(ctx context.Context, project string) error {
	if err := c.sweep(ctx, labelOnce, project, 0); err != nil {
		return err
	}
	return c.sweep(ctx, labelReads, project, AbandonedReads)
}

// AbandonedReads is the age at which a container that needs no lock is nobody's.
const AbandonedReads = time.Hour
