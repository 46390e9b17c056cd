package engine

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/tail"
)

// Work describes a one-off container that runs a program of this host next to a
// volume.
type Work struct {
	Project string // the stack it works for
	Image   string
	Program string // a static binary on this host, copied in
	Args    []string
	Volumes map[string]string // name of a volume to path inside
	Binds   map[string]string // directory of this host to path inside, read-only
	Shares  map[string]string // the same, writable
	// Network gives it the engine's default network, for what is to be sent away.
	Network bool
	CapAdd  []string // everything else is dropped
	// Reads has the volumes mounted read-only, and leaves other containers of the
	// project alone, as for work that needs no lock.
	Reads bool
	// Drill is for work on a drill's volume: only the next drill sweeps it.
	Drill bool
	// Input is its standard input, which then stays open: it ends when the caller
	// gives up or dies, and tells the program to stop.
	Input []byte
	// Line gets each line of its standard output as it comes.
	Line func(line []byte)
}

// Times for a program that is to stop: what it may take to end by itself, and
// then to be killed.
const (
	workEnds  = 30 * time.Second
	longLine  = 16 << 20
	errorTail = 8 << 10
)

// programPath is where the program lies inside.
const programPath = "/regctl"

// RunWork runs the container and returns its program's exit status and the end
// of what it wrote to standard error. It has no network and no capability but what
// is asked for. When ctx ends, the program's input does; it then has time to leave things in order.
// The container is removed whatever happens.
func (c *Client) RunWork(ctx context.Context, w Work) (status int, stderr string, err error) {
	if err := c.sweepWork(ctx, w); err != nil {
		return 0, "", err
	}
	if err := c.checkVolumes(ctx, w); err != nil {
		return 0, "", err
	}
	conf := &container.Config{
		Image:        w.Image,
		Entrypoint:   []string{programPath},
		Cmd:          w.Args,
		User:         "0:0",
		Labels:       map[string]string{w.label(): w.Project},
		AttachStdin:  true,
		AttachStdout: true,
		AttachStderr: true,
		OpenStdin:    true,
		StdinOnce:    true,
		Healthcheck:  &container.HealthConfig{Test: []string{"NONE"}},
	}
	host := &container.HostConfig{
		NetworkMode: "none",
		CapDrop:     []string{"ALL"},
		CapAdd:      w.CapAdd,
		SecurityOpt: []string{"no-new-privileges:true"},
		// Its output is read here and nowhere else.
		LogConfig: container.LogConfig{Type: "none"},
	}
	if w.Network {
		host.NetworkMode = "bridge"
	}
	for dir, path := range w.Shares {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: dir, Target: path})
	}
	for name, path := range w.Volumes {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path, ReadOnly: w.Reads,
			// Of a volume that was removed meanwhile the engine makes another: it is to be
			// swept like the container.
			VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: w.volumeLabels()}})
	}
	for source, path := range w.Binds {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: source, Target: path, ReadOnly: true})
	}
	var created container.CreateResponse
	// Not broken off by the end of ctx: the engine would go on, and nobody would know
	// what to remove.
	if err := c.ask(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
		created, err = c.api.ContainerCreate(ctx, conf, host, nil, nil, "")
		return err
	}); err != nil {
		return 0, "", err
	}
	defer c.removeOnce(created.ID)
	if err := c.copyProgram(ctx, created.ID, w.Program); err != nil {
		return 0, "", err
	}
	return c.attend(ctx, created.ID, w)
}

// attend starts a container, talks to its program and waits for its end.
func (c *Client) attend(ctx context.Context, id string, w Work) (status int, stderr string, err error) {
	// It goes on when the caller gives up: the program is then asked to stop.
	live, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	stream, err := c.api.ContainerAttach(live, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, "", err
	}
	defer stream.Close()
	waiting, failed := c.api.ContainerWait(live, id, container.WaitConditionNextExit)
	if err := c.ask(ctx, func(ctx context.Context) error { return c.api.ContainerStart(ctx, id, container.StartOptions{}) }); err != nil {
		return 0, "", err
	}
	if _, err := stream.Conn.Write(w.Input); err != nil {
		return 0, "", fmt.Errorf("talking to %s: %w", strings.Join(w.Args, " "), err)
	}
	said := tail.Writer{Most: errorTail}
	read := make(chan error, 1)
	go func() {
		out, in := io.Pipe()
		go func() {
			_, err := stdcopy.StdCopy(in, &said, stream.Reader)
			in.CloseWithError(err)
		}()
		read <- eachLine(out, w.Line)
	}()
	gaveUp := ctx.Done()
	for {
		select {
		case <-gaveUp:
			gaveUp = nil
			// The end of its input.
			if err := stream.CloseWrite(); err != nil {
				return 0, "", errors.Join(ctx.Err(), err)
			}
			time.AfterFunc(workEnds, cut)
		case result := <-waiting:
			err := <-read
			if ctx.Err() != nil && result.StatusCode != 0 {
				err = ctx.Err()
			}
			return int(result.StatusCode), strings.TrimSpace(said.String()), err
		case err := <-failed:
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return 0, strings.TrimSpace(said.String()), fmt.Errorf("waiting for %s: %w", strings.Join(w.Args, " "), err)
		}
	}
}

// copyProgram puts the program into a container that was not started yet.
func (c *Client) copyProgram(ctx context.Context, id, program string) error {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	archive, in := io.Pipe()
	go func() {
		t := tar.NewWriter(in)
		err := t.WriteHeader(&tar.Header{Name: strings.TrimPrefix(programPath, "/"), Mode: 0o755, Size: fi.Size(), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = io.Copy(t, f)
		}
		if err == nil {
			err = t.Close()
		}
		in.CloseWithError(err)
	}()
	defer archive.Close()
	if err := c.api.CopyToContainer(ctx, id, "/", archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("copying %s into a container: %w", program, err)
	}
	return nil
}

// checkVolumes makes sure that the volumes are there: the engine would make
// empty ones.
func (c *Client) checkVolumes(ctx context.Context, w Work) error {
	for name := range w.Volumes {
		there, err := c.VolumeExists(ctx, name)
		if err != nil {
			return err
		}
		if !there {
			return advice.With(fmt.Errorf("there is no volume %s", name), "regctl up makes it")
		}
	}
	return nil
}

// label tells whose the container is, and so who sweeps it.
func (w Work) label() string {
	switch {
	case w.Drill:
		return labelDrill
	case w.Reads:
		return labelReads
	}
	return labelOnce
}

func (w Work) volumeLabels() map[string]string {
	if w.Drill {
		return map[string]string{labelDrill: w.Project}
	}
	return nil
}

// sweepWork removes what earlier, killed runs left behind. Who changes a volume
// holds the lock, and so does a drill one of its own; readers hold none, and have
// an hour.
func (c *Client) sweepWork(ctx context.Context, w Work) error {
	age := time.Duration(0)
	if w.label() == labelReads {
		age = AbandonedReads
	}
	return c.sweep(ctx, w.label(), w.Project, age)
}

// eachLine hands over lines. One that is longer than any of ours is an error.
func eachLine(r io.Reader, line func([]byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), longLine)
	for s.Scan() {
		line(s.Bytes())
	}
	if err := s.Err(); err != nil {
		_, _ = io.Copy(io.Discard, r) // the program must not block on a full pipe
		return err
	}
	return nil
}
