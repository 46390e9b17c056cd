package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/tail"
)

// ErrNoCompose says that Docker Compose v2 or later is not installed.
var ErrNoCompose = errors.New("docker compose (version 2 or later) is missing")

// versionTimeout bounds the question for Compose's version: a hanging docker
// command must not hang regctl.
const versionTimeout = 15 * time.Second

// Runner calls Docker Compose on one deployment.
type Runner struct {
	layout  Layout
	project string
	command []string // the words before the flags: docker compose, or docker-compose
	Version string
}

// FindCompose finds Docker Compose: the plugin `docker compose` or, failing
// that, a docker-compose that is at least version 2. The error wraps
// ErrNoCompose.
func FindCompose(ctx context.Context, l Layout, project string) (*Runner, error) {
	return findCompose(ctx, l, project, versionTimeout)
}

func findCompose(ctx context.Context, l Layout, project string, timeout time.Duration) (*Runner, error) {
	var why []string
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		name := strings.Join(command, " ")
		version, err := composeVersion(ctx, command, timeout)
		switch major, _, _ := strings.Cut(version, "."); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			why = append(why, fmt.Sprintf("%s does not answer within %s", name, timeout))
		case err != nil: // not installed, or not this plugin
		case atoi(major) < 2:
			why = append(why, fmt.Sprintf("%s is version %s", name, version))
		default:
			return &Runner{layout: l, project: project, command: command, Version: version}, nil
		}
	}
	err := ErrNoCompose
	if len(why) > 0 {
		err = fmt.Errorf("%w: %s", ErrNoCompose, strings.Join(why, ", "))
	}
	return nil, advice.With(err, "install it: apt-get install docker-compose-plugin (Docker's packages), docker-compose-v2 (Ubuntu) or docker-compose (Debian 13 or later)")
}

// composeVersion asks a command for its version. Its error wraps
// context.DeadlineExceeded when no answer came in time.
func composeVersion(ctx context.Context, command []string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], "version", "--short")...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), err
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// Args gives the full command line for a Compose command, for a person to read
// or to type.
func (r *Runner) Args(args ...string) []string {
	out := append([]string{}, r.command...)
	// Without a terminal Compose prints plain lines by itself.
	out = append(out, "--project-directory", r.layout.Dir, "-p", r.project, "-f", r.layout.Path(ComposeFile))
	// With -f, Compose no longer looks for the override by itself.
	if override, err := r.layout.override(); err == nil && override != nil {
		out = append(out, "-f", override[0])
	}
	return append(out, args...)
}

// Run runs a Compose command. Its output goes to out as it comes; the error of
// a failure carries the last lines of what it said.
func (r *Runner) Run(ctx context.Context, out io.Writer, args ...string) error {
	return r.run(ctx, out, nil, args...)
}

// run also hands an open file down, nil for none.
func (r *Runner) run(ctx context.Context, out io.Writer, inherit *os.File, args ...string) error {
	argv := r.Args(args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = r.layout.Dir
	said := &tail.Writer{Most: 4 << 10}
	w := &plainWriter{out: io.MultiWriter(out, said)}
	cmd.Stdout, cmd.Stderr = w, w
	if inherit != nil {
		cmd.ExtraFiles = []*os.File{inherit}
	}
	// Its own process group: a Ctrl-C at the terminal reaches regctl alone, which
	// then asks Compose to stop, once, and waits for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	if flushed := w.flush(); err == nil {
		err = flushed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("docker compose %s: %w%s", args[0], err, lastLine(said.String()))
	}
	return nil
}

// lastLine is how a program's output ended, to be put behind an error.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return ""
	}
	return ": " + last
}
