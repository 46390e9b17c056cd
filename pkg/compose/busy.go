package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// ErrBusy says that a Docker Compose which an earlier regctl started is still at
// work on the deployment.
var ErrBusy = errors.New("docker compose is still at work here")

// busyFile is locked by every Docker Compose that changes the stack, through a
// descriptor that it inherits. The deployment's own lock goes with regctl, but a
// Compose whose regctl was killed goes on, and two at once trip over each
// other's containers.
const busyFile = StateDir + "/compose.lock"

const (
	busyPoll    = 50 * time.Millisecond
	busyTimeout = 2 * time.Minute
)

// AwaitIdle waits until no Docker Compose of an earlier regctl is at work; told
// is called once if there is one. The caller holds the deployment's lock. It
// returns ErrBusy after two minutes.
func (l Layout) AwaitIdle(ctx context.Context, told func()) error {
	f, err := l.lockBusy(ctx, busyTimeout, told)
	if err != nil {
		return err
	}
	return f.Close()
}

// Change is Run for a command that changes containers.
func (r *Runner) Change(ctx context.Context, out io.Writer, args ...string) error {
	f, err := r.layout.lockBusy(ctx, busyTimeout, func() {})
	if err != nil {
		return err
	}
	defer f.Close()
	return r.run(ctx, out, f, args...)
}

func (l Layout) lockBusy(ctx context.Context, timeout time.Duration, told func()) (*os.File, error) {
	path := l.Path(busyFile)
	if err := durable.CreateFile(path, nil, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			f.Close()
			return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
		case time.Since(began) > timeout:
			f.Close()
			return nil, advice.With(fmt.Errorf("%w, started by a regctl that was killed", ErrBusy),
				"look at it: ps ax | grep 'docker compose.*%s'", l.Dir)
		}
		told()
		told = func() {}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(busyPoll):
		}
	}
}
