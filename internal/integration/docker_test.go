//go:build integration

package integration

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dockerCLI is the docker command with a configuration of its own, so that a
// login here is nobody else's.
type dockerCLI struct{ config string }

func newDockerCLI(t *testing.T) dockerCLI { return dockerCLI{t.TempDir()} }

func (c dockerCLI) try(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return startProcess(t, []string{"DOCKER_CONFIG=" + c.config}, stdin, append([]string{"docker"}, args...)...).wait(t)
}

func (c dockerCLI) must(t *testing.T, args ...string) string {
	t.Helper()
	r := c.try(t, "", args...)
	if r.status != 0 {
		t.Fatalf("%v", r)
	}
	return r.stdout
}

func (c dockerCLI) login(t *testing.T, d *deployment) {
	t.Helper()
	c.try(t, d.password, "login", "--username", d.user, "--password-stdin", d.host()).want(t, 0)
}

// importTiny makes an image of one small file with a name, and returns its ID.
// The image goes when the test ends.
func importTiny(t *testing.T, name string) string {
	t.Helper()
	content := make([]byte, 4096)
	rand.Read(content)
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tiny.tar")
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(tool(t, "docker", "import", file, name))
	removeImage(t, name)
	return id
}

// removeImage removes an image by name when the test ends.
func removeImage(t *testing.T, name string) {
	t.Cleanup(func() { try(t, "docker", "image", "rm", "--force", name) })
}

// imageID is the ID that the engine knows an image by.
func imageID(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "docker", "image", "inspect", "--format", "{{.Id}}", name))
}
