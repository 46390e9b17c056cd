//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestConformance runs the conformance tests of the OCI distribution spec
// against a registry and against the same registry behind the front door. What
// the registry fails it also fails bare, so what counts is that no verdict
// differs.
func TestConformance(t *testing.T) {
	hack := filepath.Join(moduleRoot, "hack", "conformance")
	bin := filepath.Join(moduleRoot, "build", "conformance")
	tool(t, filepath.Join(hack, "build.sh"), bin) // once, before two ask for it
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			run := func(env ...string) []string {
				t.Helper()
				began := time.Now()
				env = append(env, "CONFORMANCE_BIN="+bin, "OCI_USERNAME="+d.user, "OCI_PASSWORD="+d.password)
				r := startProcess(t, env, "", filepath.Join(hack, "run.sh"), t.TempDir()).wait(t)
				r.want(t, 0)
				t.Logf("%s: %v", env[0], time.Since(began).Round(time.Millisecond))
				return strings.Split(strings.TrimSpace(r.stdout), "\n")
			}
			bare := run("OCI_REGISTRY="+d.bareRegistry(t, version.image), "OCI_TLS=disabled")
			door := run("OCI_REGISTRY="+d.host(), "SSL_CERT_FILE="+d.ca())

			passes := 0
			for _, line := range door {
				if strings.HasPrefix(line, "pass ") {
					passes++
				}
			}
			t.Logf("%d verdicts, %d of them pass", len(door), passes)
			if passes < 200 {
				t.Errorf("only %d tests pass", passes)
			}
			for _, line := range bare {
				if !slices.Contains(door, line) {
					t.Errorf("only the bare registry: %s", line)
				}
			}
			for _, line := range door {
				if !slices.Contains(bare, line) {
					t.Errorf("only through the front door: %s", line)
				}
			}
			if !t.Failed() && !slices.Equal(bare, door) {
				t.Errorf("the lists differ in order or number: %d bare, %d through the front door", len(bare), len(door))
			}
		})
	}
}

// bareRegistry starts the registry with the deployment's configuration and users
// but no Nginx, published on loopback, and returns its address.
func (d *deployment) bareRegistry(t *testing.T, image string) string {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	tool(t, "docker", "run", "--detach", "--label", testLabel+"="+d.project, "--publish", address+":5000",
		"--volume", d.path("registry")+":/etc/regctl/registry:ro", "--volume", d.path("auth")+":/auth:ro",
		"--env", "OTEL_TRACES_EXPORTER=none", "--tmpfs", "/var/lib/registry",
		"--entrypoint", "registry", image, "serve", "/etc/regctl/registry/config.yml")
	eventually(t, 20*time.Second, "the bare registry answers", func() bool {
		resp, err := http.Get(fmt.Sprintf("http://%s/v2/", address))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusUnauthorized
	})
	return address
}
