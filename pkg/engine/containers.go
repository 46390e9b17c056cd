package engine

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/stdcopy"
)

// Labels that Compose puts on what it makes.
const (
	labelProject    = "com.docker.compose.project"
	labelService    = "com.docker.compose.service"
	labelWorkingDir = "com.docker.compose.project.working_dir"
	labelConfigHash = "com.docker.compose.config-hash"
	labelOneOff     = "com.docker.compose.oneoff"
)

// Container is one container of a stack.
type Container struct {
	ID         string
	Name       string
	Project    string
	Service    string
	WorkingDir string // the deployment directory it was started from
	Image      string // reference it was made from
	ImageID    string
	ConfigHash string // Compose's sum of the service's definition
	State      string // created, running, restarting, exited, …
	Health     string // starting, healthy, unhealthy, or ""
	ExitCode   int
	Restarts   int
	Started    time.Time
	Labels     map[string]string
	Published  []uint16 // ports on the host
	Networks   []string // names of those it is connected to
	Env        []string // NAME=value; only from Inspect
}

// Running tells whether its process runs.
func (c Container) Running() bool { return c.State == "running" }

// Containers lists the stack's containers, running or not, without one-off ones.
func (c *Client) Containers(ctx context.Context, project string) ([]Container, error) {
	return c.list(ctx, filters.NewArgs(
		filters.Arg("label", labelProject+"="+project),
		filters.Arg("label", labelOneOff+"=False")))
}

// Publishing lists the containers, of whatever project, that publish a TCP port
// on the host.
func (c *Client) Publishing(ctx context.Context, port int) ([]Container, error) {
	all, err := c.list(ctx, filters.NewArgs(filters.Arg("status", "running")))
	if err != nil {
		return nil, err
	}
	var out []Container
	for _, ct := range all {
		for _, p := range ct.Published {
			if int(p) == port {
				out = append(out, ct)
				break
			}
		}
	}
	return out, nil
}

func (c *Client) list(ctx context.Context, args filters.Args) ([]Container, error) {
	var found []container.Summary
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]Container, 0, len(found))
	for _, f := range found {
		ct := Container{
			ID: f.ID, Image: f.Image, ImageID: f.ImageID, State: f.State, Labels: f.Labels,
			Project: f.Labels[labelProject], Service: f.Labels[labelService],
			WorkingDir: f.Labels[labelWorkingDir], ConfigHash: f.Labels[labelConfigHash],
		}
		if len(f.Names) > 0 {
			ct.Name = strings.TrimPrefix(f.Names[0], "/")
		}
		for _, p := range f.Ports {
			if p.PublicPort != 0 && p.Type == "tcp" {
				ct.Published = append(ct.Published, p.PublicPort)
			}
		}
		if f.NetworkSettings != nil {
			for name := range f.NetworkSettings.Networks {
				ct.Networks = append(ct.Networks, name)
			}
		}
		out = append(out, ct)
	}
	return out, nil
}

// Inspect completes a container with what the list leaves out: health, exit
// code, restarts, start, environment.
func (c *Client) Inspect(ctx context.Context, ct Container) (Container, error) {
	var info container.InspectResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		info, err = c.api.ContainerInspect(ctx, ct.ID)
		return err
	})
	if err != nil {
		return ct, err
	}
	ct.Restarts = info.RestartCount
	if info.Config != nil {
		ct.Env = info.Config.Env
	}
	if s := info.State; s != nil {
		ct.State, ct.ExitCode = s.Status, s.ExitCode
		if s.Health != nil {
			ct.Health = s.Health.Status
		}
		ct.Started, _ = time.Parse(time.RFC3339Nano, s.StartedAt)
	}
	return ct, nil
}

// LastLines returns the last n lines that a container wrote, both streams as
// they came.
func (c *Client) LastLines(ctx context.Context, id string, n string) (string, error) {
	var out strings.Builder
	err := c.ask(ctx, func(ctx context.Context) error {
		r, err := c.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: n})
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = stdcopy.StdCopy(&out, &out, io.LimitReader(r, 1<<20))
		return err
	})
	return out.String(), err
}

// Exec runs a command in a running container and returns its exit status and
// output.
func (c *Client) Exec(ctx context.Context, id string, argv ...string) (status int, out string, err error) {
	created, err := c.api.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: argv, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, "", err
	}
	att, err := c.api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, "", err
	}
	defer att.Close()
	// The hijacked connection knows nothing of the context.
	stop := context.AfterFunc(ctx, att.Close)
	defer stop()
	var b strings.Builder
	if _, err := stdcopy.StdCopy(&b, &b, io.LimitReader(att.Reader, 4<<20)); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, b.String(), err
	}
	info, err := c.api.ContainerExecInspect(ctx, created.ID)
	return info.ExitCode, b.String(), err
}

// VolumeExists tells whether a volume of that name exists.
func (c *Client) VolumeExists(ctx context.Context, name string) (bool, error) {
	var found volume.ListResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.api.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
		return err
	})
	if err != nil {
		return false, err
	}
	for _, v := range found.Volumes { // the filter matches parts of names
		if v.Name == name {
			return true, nil
		}
	}
	return false, nil
}

// labelVolume is Compose's name of a volume within its project.
const labelVolume = "com.docker.compose.volume"

// MakeVolume makes a volume as Compose would, which then takes it for its own: for
// content that has to be there before the stack. One that exists is left alone.
func (c *Client) MakeVolume(ctx context.Context, project, key string) error {
	return c.ask(ctx, func(ctx context.Context) error {
		_, err := c.api.VolumeCreate(ctx, volume.CreateOptions{Name: project + "_" + key,
			Labels: map[string]string{labelProject: project, labelVolume: key}})
		return err
	})
}
