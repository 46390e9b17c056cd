//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What every test runs with; set once by TestMain, before any test.
var (
	regctlBin  string // the binary under test
	moduleRoot string // where go.mod is
)

// Images of the stack.
var (
	imageNginx     = envOr("REGCTL_IT_NGINX", "regctl.local/nginx:latest")
	imageRegistry2 = envOr("REGCTL_IT_REGISTRY2", "regctl.local/registry:2")
	imageRegistry3 = envOr("REGCTL_IT_REGISTRY3", "regctl.local/registry:3")
)

// registries is the table over both versions of the registry.
var registries = []struct{ name, image string }{
	{"registry 2", imageRegistry2},
	{"registry 3", imageRegistry3},
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// projectPrefix begins the name of every Compose project made here; the number
// of the test process follows.
const projectPrefix = "regctl-it-"

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	if moduleRoot, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	if err := checkMachine(ctx); err != nil {
		return 0, err
	}
	if regctlBin = os.Getenv("REGCTL_BIN"); regctlBin == "" {
		dir, err := os.MkdirTemp("", "regctl-it-bin-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		// Readable for the tests that run it as another user.
		if err := os.Chmod(dir, 0o755); err != nil {
			return 0, err
		}
		regctlBin = filepath.Join(dir, "regctl")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", regctlBin, "./cmd/regctl")
		build.Dir = moduleRoot
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("building regctl: %w\n%s", err, out)
		}
	} else if regctlBin, err = filepath.Abs(regctlBin); err != nil {
		return 0, err
	}
	sweep(ctx)
	return m.Run(), nil
}

// checkMachine says what is missing. Nothing is skipped for want of it.
func checkMachine(ctx context.Context) error {
	for _, tool := range []string{"docker", "skopeo", "openssl", "setpriv", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: %w", tool, err)
		}
	}
	for _, args := range [][]string{
		{"version"},
		{"compose", "version"},
		{"image", "inspect", imageNginx, imageRegistry2, imageRegistry3},
	} {
		if out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, lastLines(string(out), 5))
		}
	}
	return nil
}

// sweep removes what test runs that were killed have left behind. Those of a
// process that still runs are not touched.
func sweep(ctx context.Context) {
	seen := map[string]bool{}
	for _, kind := range []string{"container", "network", "volume"} {
		args := []string{kind, "ls", "--filter", "label=com.docker.compose.project", "--format", `{{.Label "com.docker.compose.project"}}`}
		if kind == "container" {
			args = append(args, "--all")
		}
		out, err := exec.CommandContext(ctx, "docker", args...).Output()
		if err != nil {
			continue // the tests will tell
		}
		for _, project := range strings.Fields(string(out)) {
			if seen[project] {
				continue
			}
			seen[project] = true
			rest, ours := strings.CutPrefix(project, projectPrefix)
			owner, _, _ := strings.Cut(rest, "-")
			pid, err := strconv.Atoi(owner)
			if !ours || err != nil || syscall.Kill(pid, 0) == nil {
				continue
			}
			fmt.Fprintln(os.Stderr, "integration: removing what is left of", project)
			if err := removeProject(ctx, project); err != nil {
				fmt.Fprintln(os.Stderr, "integration:", err)
			}
		}
	}
}
