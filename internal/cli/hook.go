package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/tail"
)

// maxHookOutput bounds what is kept of a hook's output, in bytes.
const maxHookOutput = 64 << 10

// hook runs certs.hooks.deployed. It cannot undo anything: what fails in it is a
// warning.
func (r *renewer) hook(ctx context.Context) error {
	argv := r.d.cfg.Certs.Hooks.Deployed
	if len(argv) == 0 || r.leaf == nil {
		return nil
	}
	live := r.d.certs().LiveDir(r.d.cfg.Domain)
	env := append(os.Environ(),
		"REGCTL_DIR="+r.d.Dir,
		"REGCTL_DOMAIN="+r.d.cfg.Domain,
		"REGCTL_NAMES="+strings.Join(r.leaf.Names, " "),
		"REGCTL_CERT="+filepath.Join(live, "fullchain.pem"),
		"REGCTL_KEY="+filepath.Join(live, "privkey.pem"),
		"REGCTL_FINGERPRINT="+r.leaf.Fingerprint)
	r.app.ui.Step("running the hook %s", argv[0])
	timeout := time.Duration(r.d.cfg.Certs.Hooks.Timeout)
	out, err := runHook(ctx, r.d.Dir, argv, env, timeout)
	for line := range strings.Lines(out) {
		r.app.ui.Detail("  %s", strings.TrimRight(line, "\r\n"))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.warn("the hook certs.hooks.deployed (%s) failed: %v; the certificate is in use all the same", argv[0], err)
	}
	return nil
}

// runHook runs a program with a bound in time, and ends with it all that it has
// started.
func runHook(ctx context.Context, dir string, argv, env []string, timeout time.Duration) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(bounded, argv[0], argv[1:]...)
	if strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]) {
		cmd.Path = filepath.Join(dir, argv[0])
		cmd.Err = nil
	}
	out := &tail.Writer{Most: maxHookOutput}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for what keeps its output open
	err := cmd.Run()
	if bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("it was ended after %s", timeout)
	} else if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it has left something running, as is its right
	}
	return out.String(), err
}
