package engine

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Logs copies all that a container wrote since a time, the zero time being its
// start, as far as the engine still has it.
func (c *Client) Logs(ctx context.Context, id string, since time.Time, out io.Writer) error {
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true}
	if !since.IsZero() {
		o.Since = strconv.FormatInt(since.Unix(), 10)
	}
	r, err := c.api.ContainerLogs(ctx, id, o)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = stdcopy.StdCopy(out, out, r)
	return err
}
