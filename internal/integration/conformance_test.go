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
// differs, but for those that are better (see mended).
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
			// The first word of a line is the verdict, the rest the test.
			verdicts := func(lines []string) map[string][]string {
				of := map[string][]string{}
				for _, line := range lines {
					verdict, test, _ := strings.Cut(line, " ")
					of[test] = append(of[test], verdict)
				}
				return of
			}
			before, now := verdicts(bare), verdicts(door)
			if len(bare) != len(door) || len(before) != len(now) {
				t.Errorf("%d verdicts bare, %d through the front door", len(bare), len(door))
			}
			for test, was := range before {
				if is := now[test]; !slices.Equal(was, is) && !mended(test, was, is) {
					t.Errorf("%s: %v bare, %v through the front door", test, was, is)
				}
			}
		})
	}
}

// mended tells whether a difference is the one that is meant to be: the registry
// answers for a blob that was asked for by sha512 with its sha256 digest, and the
// front door, which sends the blob itself, with the digest asked for.
func mended(test string, bare, door []string) bool {
	about := strings.HasPrefix(test, "test ") && strings.Contains(test, "sha512") && (strings.HasSuffix(test, "/blob-get") || strings.HasSuffix(test, "/blob-head")) ||
		test == "api Blob get" || test == "api Blob head"
	return about && len(bare) == len(door) && !slices.Contains(door, "fail") && !slices.Contains(door, "error")
}

// bareConfig is a registry as plain as can be, with what decides verdicts as in
// the deployment: deletes, and no cache of descriptors.
const bareConfig = `version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
auth:
  htpasswd: {realm: bare, path: /auth/htpasswd}
http:
  addr: :5000
  secret: bare
`

// bareRegistry starts the registry alone, with the deployment's users, published
// on loopback, and returns its address.
func (d *deployment) bareRegistry(t *testing.T, image string) string {
	t.Helper()
	config := t.TempDir()
	writeFile(t, filepath.Join(config, "config.yml"), bareConfig, 0o644)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	tool(t, "docker", "run", "--detach", "--label", testLabel+"="+d.project, "--publish", address+":5000",
		"--volume", config+":/etc/bare:ro", "--volume", d.path("auth")+":/auth:ro",
		"--env", "OTEL_TRACES_EXPORTER=none", "--tmpfs", "/var/lib/registry",
		"--entrypoint", "registry", image, "serve", "/etc/bare/config.yml")
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
