//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// result is how a program ended.
type result struct {
	args   []string
	stdout string
	stderr string
	status int // -1: ended by a signal
	took   time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%s\nended with status %d after %s\nstdout: %s\nstderr: %s",
		strings.Join(r.args, " "), r.status, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// json decodes standard output.
func (r result) json(t *testing.T, into any) {
	t.Helper()
	decode(t, r.stdout, into)
}

// want fails the test unless the status is this one and standard error contains
// each of these.
func (r result) want(t *testing.T, status int, stderr ...string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d\n%v", r.status, status, r)
	}
	for _, text := range stderr {
		if !strings.Contains(r.stderr, text) {
			t.Fatalf("standard error lacks %q\n%v", text, r)
		}
	}
}

// regctl runs regctl on this deployment and waits for its end, whatever it is.
func (d *deployment) regctl(t *testing.T, args ...string) result {
	t.Helper()
	return d.regctlInput(t, "", args...)
}

// regctlInput is regctl with something on standard input.
func (d *deployment) regctlInput(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	p := d.start(t, stdin, args...)
	return p.wait(t)
}

// must runs regctl and fails the test unless it succeeds.
func (d *deployment) must(t *testing.T, args ...string) result {
	t.Helper()
	r := d.regctl(t, args...)
	if r.status != 0 {
		t.Fatalf("%v", r)
	}
	return r
}

// start begins a regctl that the test can send signals to.
func (d *deployment) start(t *testing.T, stdin string, args ...string) *process {
	t.Helper()
	return startProcess(t, append([]string{"REGCTL_DIR=" + d.dir}, d.env...), stdin, append([]string{regctlBin}, args...)...)
}

// tool runs any program and fails the test unless it succeeds; it returns what
// it printed.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.status != 0 {
		t.Fatalf("%v", r)
	}
	return r.stdout
}

// try runs any program and waits for its end, whatever it is.
func try(t *testing.T, args ...string) result {
	t.Helper()
	return startProcess(t, nil, "", args...).wait(t)
}

// process is a program that runs.
type process struct {
	cmd            *exec.Cmd
	began          time.Time
	stdout, stderr lockedBuffer
	done           chan struct{}
}

// programTimeout is far more than anything here takes: a program that hangs
// fails its test rather than the whole run.
const programTimeout = 3 * time.Minute

// startProcess starts a program. It is killed at the end of the test if it
// still runs. env is added to the environment, later entries win.
func startProcess(t *testing.T, env []string, stdin string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	p := &process{cmd: exec.CommandContext(ctx, args[0], args[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "NO_COLOR=1"), env...)
	p.cmd.Stdin = strings.NewReader(stdin)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// A killed program's children may hold its output open.
	p.cmd.WaitDelay = 5 * time.Second
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatalf("%s: %v", args[0], err)
	}
	go func() {
		defer close(p.done)
		// The error is in ProcessState.
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

// wait waits for the end.
func (p *process) wait(t *testing.T) result {
	t.Helper()
	<-p.done
	return result{args: p.cmd.Args, stdout: p.stdout.String(), stderr: p.stderr.String(),
		status: p.cmd.ProcessState.ExitCode(), took: time.Since(p.began)}
}

// ended tells whether the program has ended already.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends a signal; a program that has ended already is no fault.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// lockedBuffer can be read while a program writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lastLines keeps the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
