// Package engine talks to the Docker Engine: it finds the stack's containers by
// their Compose labels, inspects, reads logs, runs one-off containers.
//
// It is the only importer of Docker's client. Callers declare the small
// interface they need over it. Every call is bounded in time: a daemon that
// hangs must not hang regctl.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"

	"github.com/regctl/regctl/pkg/advice"
)

// ErrUnavailable says that the Docker Engine cannot be used: not installed, not
// running, not permitted, or not answering.
var ErrUnavailable = errors.New("docker engine not available")

// Times after which a call is given up. An answer to a question takes
// milliseconds; what changes a container can take longer on a loaded host.
const (
	pingTimeout  = 10 * time.Second
	queryTimeout = 30 * time.Second
)

// Client is a connection to a Docker Engine.
type Client struct {
	api     *client.Client
	Version string // API version spoken

	query time.Duration // bound of one question: queryTimeout
}

// Connect connects to the engine that the environment names (DOCKER_HOST and
// its kin), negotiates the API version and makes sure that it answers.
func Connect(ctx context.Context) (*Client, error) { return connect(ctx, pingTimeout) }

func connect(ctx context.Context, timeout time.Duration) (*Client, error) {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, advice.With(fmt.Errorf("%w: %w", ErrUnavailable, err), "look at DOCKER_HOST, DOCKER_CERT_PATH and DOCKER_API_VERSION in the environment")
	}
	pctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ping, err := api.Ping(pctx)
	if err != nil {
		api.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unavailable(api.DaemonHost(), timeout, err)
	}
	api.NegotiateAPIVersionPing(ping) // or the first call would ping again
	return &Client{api: api, Version: api.ClientVersion(), query: queryTimeout}, nil
}

// Close drops the connection.
func (c *Client) Close() error { return c.api.Close() }

// ask asks the engine one question, bounded in time. An engine that is gone or
// does not answer any more is ErrUnavailable here too; a bound of the caller's
// own says nothing about the engine.
func (c *Client) ask(ctx context.Context, question func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.query)
	defer cancel()
	err := question(bounded)
	if err != nil && ctx.Err() == nil && (client.IsErrConnectionFailed(err) || errors.Is(err, context.DeadlineExceeded)) {
		return unavailable(c.api.DaemonHost(), c.query, err)
	}
	return err
}

// unavailable turns the failure of a contact into one line and advice.
func unavailable(host string, timeout time.Duration, err error) error {
	path, isSocket := strings.CutPrefix(host, "unix://")
	if isSocket {
		// The client hides the cause of a failed connection; the socket tells.
		switch cause := probe(path); {
		case errors.Is(cause, os.ErrNotExist):
			return advice.With(fmt.Errorf("%w: there is no socket at %s", ErrUnavailable, path),
				"install Docker Engine or start it (systemctl start docker); or set DOCKER_HOST")
		case errors.Is(cause, os.ErrPermission):
			return advice.With(fmt.Errorf("%w: no permission to use %s", ErrUnavailable, path),
				"run regctl with sudo, or add yourself to the group that owns the socket: usermod -aG docker $USER, then log in again")
		case errors.Is(cause, syscall.ECONNREFUSED):
			return advice.With(fmt.Errorf("%w: nothing listens on %s", ErrUnavailable, path),
				"start it: systemctl start docker")
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return advice.With(fmt.Errorf("%w: %s does not answer within %s", ErrUnavailable, host, timeout),
			"look at it: systemctl status docker; journalctl -u docker")
	}
	return advice.With(fmt.Errorf("%w: %w", ErrUnavailable, err), "check it: docker version")
}
