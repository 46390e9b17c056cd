package schedule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// systemctlTimeout bounds one call: a daemon-reload of a large host takes
// seconds.
const systemctlTimeout = 90 * time.Second

// systemctl runs the program of that name. The error wraps [ErrUnavailable].
func (d Systemd) systemctl(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, systemctlTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", append([]string{"--no-ask-password", "--no-pager"}, args...)...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: there is no systemctl", ErrUnavailable)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("systemctl %s: %w", args[0], ctx.Err())
	}
	why := strings.ReplaceAll(strings.TrimSpace(errs.String()), "\n", "; ")
	if why == "" {
		why = err.Error()
	}
	return nil, fmt.Errorf("%w: systemctl %s: %s", ErrUnavailable, strings.Join(args, " "), why)
}

// unit is what systemd knows of a unit.
type unit struct {
	enabled bool
	active  bool
	stale   bool      // its file was changed since systemd read it
	next    time.Time // of a timer; the zero time when it is not known
}

func (d Systemd) unit(ctx context.Context, name string) (unit, error) {
	out, err := d.systemctl(ctx, "show", "--property=ActiveState,UnitFileState,NeedDaemonReload", name)
	if err != nil {
		return unit{}, err
	}
	var u unit
	for line := range strings.Lines(string(out)) {
		switch strings.TrimSpace(line) {
		case "ActiveState=active":
			u.active = true
		case "UnitFileState=enabled":
			u.enabled = true
		case "NeedDaemonReload=yes":
			u.stale = true
		}
	}
	if u.active && strings.HasSuffix(name, ".timer") {
		u.next = d.next(ctx, name)
	}
	return u, nil
}

// next asks when a timer elapses. It is there to be shown: an old systemctl,
// which has no JSON, just leaves it open.
func (d Systemd) next(ctx context.Context, name string) time.Time {
	out, err := d.systemctl(ctx, "list-timers", "--all", "--output=json", name)
	if err != nil {
		return time.Time{}
	}
	var timers []struct {
		Next uint64 `json:"next"` // µs since 1970
		Unit string `json:"unit"`
	}
	if json.Unmarshal(out, &timers) != nil {
		return time.Time{}
	}
	for _, t := range timers {
		if t.Unit == name && t.Next > 0 && t.Next < 1<<62 {
			return time.UnixMicro(int64(t.Next))
		}
	}
	return time.Time{}
}
