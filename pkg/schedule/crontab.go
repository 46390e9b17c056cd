package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// crontabTimeout bounds one call of the crontab program.
const crontabTimeout = 30 * time.Second

// Crontab is the crontab of the user who runs this, read and written by the
// program `crontab` alone: where a cron keeps its tables is its own affair.
type Crontab struct {
	Now  func() time.Time
	Proc string // where the kernel lists processes: /proc

	as *syscall.SysProcAttr // nil but in tests: another user
}

// Look finds out what is in the crontab. The error wraps [ErrUnavailable] where
// there is no crontab program, and where it refuses.
func (c Crontab) Look(ctx context.Context, s Schedule) (State, error) {
	want, err := s.block()
	if err != nil {
		return State{}, err
	}
	st := State{Want: []File{}}
	if want != "" {
		st.Want = append(st.Want, File{"crontab", want})
	}
	table, _, err := c.read(ctx)
	if err != nil {
		return st, err
	}
	b, err := findBlock(table, s.Project)
	if err != nil {
		return st, err
	}
	if b == nil {
		st.Current = want == ""
		return st, nil
	}
	st.Installed = true
	st.Have = []File{{"crontab", b.text(table)}}
	if !cronRuns(c.Proc) {
		st.Problems = append(st.Problems, "no cron daemon runs, so nothing is run: systemctl enable --now cron, or service cron start")
	}
	if st.Current = b.text(table) == want; !st.Current {
		st.Problems = append(st.Problems, "the crontab's block is not what would be installed")
		return st, nil
	}
	st.Next = map[string]time.Time{}
	for _, j := range s.Jobs {
		st.Next[j.Name] = j.When.Next(c.Now())
	}
	return st, nil
}

// Install puts the block into the crontab, in the place of the one that is there.
func (c Crontab) Install(ctx context.Context, s Schedule) error {
	want, err := s.block()
	if err != nil {
		return err
	}
	if want == "" {
		return c.Remove(ctx, s.Project)
	}
	return c.change(ctx, func(table []byte) ([]byte, error) { return withBlock(table, s.Project, want) })
}

// Remove takes the block out. A crontab with nothing else in it goes as well.
func (c Crontab) Remove(ctx context.Context, project string) error {
	return c.change(ctx, func(table []byte) ([]byte, error) { return withoutBlock(table, project) })
}

// change replaces the crontab by what edit makes of it, and reads it again:
// another edit at the same time, which nothing can lock out, must not go
// unnoticed.
func (c Crontab) change(ctx context.Context, edit func([]byte) ([]byte, error)) error {
	before, _, err := c.read(ctx)
	if err != nil {
		return err
	}
	after, err := edit(before)
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	if len(after) == 0 {
		_, err = c.run(ctx, nil, "-r")
	} else {
		_, err = c.run(ctx, after, "-")
	}
	if err != nil {
		return err
	}
	now, _, err := c.read(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, after) {
		return advice.With(fmt.Errorf("the crontab is not what was written to it: something else changes it"), "look at it with crontab -l, and try again")
	}
	return nil
}

// cronRuns tells whether a process has the name of one of the cron daemons.
func cronRuns(proc string) bool {
	names, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && slices.Contains([]string{"cron", "crond", "fcron"}, strings.TrimSpace(string(comm))) {
			return true
		}
	}
	return false
}

// none are the beginnings and ends of what crontab programs say when a user has
// no crontab; its exit status is the same for every failure. Anything else is an
// error: what cannot be read must not be taken for empty and replaced.
var none = []struct{ begin, end string }{
	{"no crontab for ", ""},                                   // Vixie cron, cronie, systemd-cron
	{"crontab: can't open '", "': No such file or directory"}, // BusyBox
}

// read returns the crontab, and whether there is one.
func (c Crontab) read(ctx context.Context) (table []byte, exists bool, err error) {
	table, err = c.run(ctx, nil, "-l")
	var failed *crontabError
	if errors.As(err, &failed) && len(table) == 0 {
		for _, n := range none {
			if strings.HasPrefix(failed.said, n.begin) && strings.HasSuffix(failed.said, n.end) && !strings.Contains(failed.said, "\n") {
				return nil, false, nil
			}
		}
	}
	return table, err == nil, err
}

// crontabError is what the crontab program said when it failed.
type crontabError struct {
	args string
	said string
	err  error
}

func (e *crontabError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("crontab %s: %v", e.args, e.err)
	}
	return fmt.Sprintf("crontab %s: %s", e.args, strings.ReplaceAll(e.said, "\n", "; "))
}

func (e *crontabError) Unwrap() []error { return []error{ErrUnavailable, e.err} }

func (c Crontab) run(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, crontabTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "crontab", args...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = c.as
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, advice.With(ErrNoCron,
			"install cron: apt-get install cron (Debian, Ubuntu), dnf install cronie (Fedora, RHEL), apk add busybox-openrc (Alpine)")
	case ctx.Err() != nil:
		return nil, fmt.Errorf("crontab %s: %w", strings.Join(args, " "), ctx.Err())
	}
	return out.Bytes(), &crontabError{strings.Join(args, " "), strings.TrimSpace(errs.String()), err}
}
