package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/tail"
)

// config is the registry's configuration: what it needs to serve what is there,
// itself, and nothing that would write. Both 2.8 and 3 read it.
const config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  maintenance:
    uploadpurging: {enabled: false}
    readonly: {enabled: true}
http: {net: unix, addr: %q}
`

// startsWithin is how long a registry may take until it answers. It only opens a
// socket, but the host may be at its limits.
const startsWithin = 2 * time.Minute

// Registry is a registry's program at work on a directory, for this process alone.
type Registry struct {
	dir  string
	cmd  *exec.Cmd
	said tail.Writer
	done chan struct{} // closed when it has ended
}

// Start starts the program over the storage directory and waits until it answers.
// It ends with ctx.
func Start(ctx context.Context, program, root string) (_ *Registry, err error) {
	dir, err := os.MkdirTemp("", "drill")
	if err != nil {
		return nil, err
	}
	r := &Registry{dir: dir, said: tail.Writer{Most: 2 << 10}, done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	conf := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, config, root, r.socket()), 0o600); err != nil {
		return nil, err
	}
	r.cmd = exec.CommandContext(ctx, program, "serve", conf)
	r.cmd.Dir = dir
	// None of what the environment could change in its configuration.
	r.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "OTEL_TRACES_EXPORTER=none"}
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait() // what it says is in ProcessState
		close(r.done)
	}()
	if err := r.await(ctx); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *Registry) socket() string { return filepath.Join(r.dir, "socket") }

// Client is a client of it.
func (r *Registry) Client() *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.socket())
	}
	return &Client{URL: "http://registry", HTTP: &http.Client{Transport: &http.Transport{DialContext: dial,
		MaxIdleConnsPerHost: 32, ResponseHeaderTimeout: startsWithin, DisableCompression: true}}, Gone: r.gone}
}

// gone is the error of a registry that has ended, nil of one that runs.
func (r *Registry) gone() error {
	select {
	case <-r.done:
		return fmt.Errorf("the registry ended (%s): %s", r.cmd.ProcessState, r.last())
	default:
		return nil
	}
}

func (r *Registry) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	c := r.Client()
	for {
		_, err := c.get(ctx, "/v2/", "", 1<<10)
		if err == nil {
			return nil
		}
		if gone := r.gone(); gone != nil {
			return gone
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the registry does not answer: %w: %s", err, r.last())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends it.
func (r *Registry) Stop() error {
	r.stop()
	return os.RemoveAll(r.dir)
}

func (r *Registry) stop() {
	_ = r.cmd.Process.Kill() // it only reads
	<-r.done
}

// last is the end of what it said.
func (r *Registry) last() string { return strings.TrimSpace(r.said.String()) }
