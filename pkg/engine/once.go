package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
)

// labelOnce marks one-off containers, so that what a crash leaves behind can be
// found and removed; labelReads those that need no lock; labelDrill the containers
// and volumes of drills, which have a lock of their own.
const (
	labelOnce  = "io.regctl.once"
	labelReads = "io.regctl.reads"
	labelDrill = "io.regctl.drill"
)

// Once describes a container that runs one command and is removed.
type Once struct {
	Project string // the stack it works for
	Image   string
	Command []string          // entrypoint and arguments
	Binds   map[string]string // host directory to path inside, read-only
	Tmpfs   []string
	CapAdd  []string // everything else is dropped
}

// RunOnce runs a container without network, with a read-only root file system
// and no capability but those asked for, waits for its end and returns its exit
// status and its output. The container is removed whatever happens; one that an
// earlier, killed run left behind is swept first.
func (c *Client) RunOnce(ctx context.Context, o Once) (status int, out string, err error) {
	if err := c.sweepOnce(ctx, o.Project); err != nil {
		return 0, "", err
	}
	conf := &container.Config{
		Image:      o.Image,
		Entrypoint: o.Command[:1],
		Cmd:        o.Command[1:],
		Labels:     map[string]string{labelOnce: o.Project},
		// A health check of the image would only start processes.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	host := &container.HostConfig{
		NetworkMode:    "none",
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		CapAdd:         o.CapAdd,
		SecurityOpt:    []string{"no-new-privileges:true"},
		Tmpfs:          map[string]string{},
	}
	for _, path := range o.Tmpfs {
		host.Tmpfs[path] = "size=64m"
	}
	for source, target := range o.Binds {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: source, Target: target, ReadOnly: true})
	}
	created, err := c.api.ContainerCreate(ctx, conf, host, nil, nil, "")
	if err != nil {
		return 0, "", err
	}
	defer c.removeOnce(created.ID)
	// The client's goroutine behind these ends with this context.
	wctx, stop := context.WithCancel(ctx)
	defer stop()
	waiting, failed := c.api.ContainerWait(wctx, created.ID, container.WaitConditionNextExit)
	if err := c.api.ContainerStart(ctx, created.ID, container.StartOptions{}); err != nil {
		return 0, "", err
	}
	select {
	case w := <-waiting:
		status = int(w.StatusCode)
	case err := <-failed:
		return 0, "", fmt.Errorf("waiting for %v: %w", o.Command[0], err)
	}
	out, err = c.LastLines(ctx, created.ID, "200")
	return status, out, err
}

// removeOnce removes a one-off container even when the caller's context ended.
func (c *Client) removeOnce(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), c.query)
	defer cancel()
	// A failure leaves a labelled container, which the next run sweeps.
	_ = c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

// sweepOnce removes the one-off containers of the project. Who runs one holds the
// deployment's lock, so whatever is there belongs to a run that was killed, also
// when it still runs.
func (c *Client) sweepOnce(ctx context.Context, project string) error {
	return c.sweep(ctx, labelOnce, project, 0)
}

// sweep removes the containers with a label that are at least that old.
func (c *Client) sweep(ctx context.Context, label, project string, age time.Duration) error {
	var found []container.Summary
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.ContainerList(ctx, container.ListOptions{All: true,
			Filters: filters.NewArgs(filters.Arg("label", label+"="+project))})
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if time.Since(time.Unix(f.Created, 0)) >= age {
			c.removeOnce(f.ID)
		}
	}
	return nil
}
