package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// someHash is a bcrypt hash of no known password.
const someHash = "$2y$05$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// noDocker is the environment of a run that must meet no Docker.
func noDocker() []string {
	return append(os.Environ(), "DOCKER_HOST=unix:///nonexistent/docker.sock", "REGCTL_DIR=")
}

// run runs the real regctl and returns all that it says and its exit status.
func run(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command("regctl", args...)
	cmd.Env = noDocker()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, status := run(t, args...)
	if status != 0 {
		t.Fatalf("regctl %s: exit status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// memoryDir is a temporary directory, in memory where that can be: tests that run
// regctl hundreds of times would mostly wait for the disk. What a loss of power
// leaves is not their question.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "regctl-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// names lists what is below dir, with modes.
func names(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		b.WriteString(fi.Mode().String() + " " + name + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
