//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ctr is containerd's own client with a containerd of the test's.
type ctr struct{ socket, hosts string }

// newCtr starts a containerd, as Docker's package brings it along, with a root of
// its own.
func newCtr(t *testing.T, f *front) ctr {
	t.Helper()
	dir := t.TempDir()
	c := ctr{socket: filepath.Join(dir, "s"), hosts: filepath.Join(dir, "certs.d")}
	// As `regctl up` tells people to.
	host := filepath.Join(c.hosts, f.host())
	if err := os.MkdirAll(host, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(host, "hosts.toml"), fmt.Sprintf("server = %q\n[host.%q]\n  ca = %q\n", f.url(""), f.url(""), f.ca()), 0o644)
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), c.socket), 0o600)
	p := startProcess(t, nil, "", "containerd", "--config", config, "--log-level", "error")
	t.Cleanup(func() {
		p.signal(t, syscall.SIGTERM)
		p.wait(t)
	})
	eventually(t, 20*time.Second, "containerd answers", func() bool {
		_, err := os.Stat(c.socket)
		return err == nil && c.try(t, "version").status == 0
	})
	return c
}

func (c ctr) try(t *testing.T, args ...string) result {
	t.Helper()
	return try(t, append([]string{"ctr", "--address", c.socket, "--namespace", "test"}, args...)...)
}

// testContainerdRights pulls and pushes as containerd does, which Kubernetes and
// nerdctl use.
func testContainerdRights(t *testing.T, f *front, folks []clientPerson) {
	c := newCtr(t, f)
	there := f.host() + "/clients/containerd:there"
	f.pushIndex(t, "clients/containerd:there", 2)
	login := func(p clientPerson) []string {
		return []string{"--hosts-dir", c.hosts, "--user", p.name + ":" + p.password}
	}
	for i, p := range folks {
		// What is there already would be asked for by HEAD alone, which who may push
		// may do; its refusal has no text.
		image := fmt.Sprintf("clients/containerd:single-%d", i)
		f.pushRandom(t, image, 2)
		pull := c.try(t, append(append([]string{"images", "pull", "--snapshotter", "native", "--all-platforms"}, login(p)...), f.host()+"/"+image)...)
		outcome(t, p.name+" pulls", pull, p.pull, "403")
		if i == 0 {
			fetch := c.try(t, append(append([]string{"content", "fetch", "--all-platforms"}, login(p)...), there)...)
			outcome(t, p.name+" fetches an index", fetch, true, "")
		}
		own := fmt.Sprintf("%s/clients/containerd:%d", f.host(), i)
		c.try(t, "images", "tag", f.host()+"/clients/containerd:single-0", own).want(t, 0)
		push := c.try(t, append(append([]string{"images", "push"}, login(p)...), own)...)
		outcome(t, p.name+" pushes", push, p.push, "403")
		if p.push && !strings.Contains(f.digest(t, fmt.Sprintf("clients/containerd:%d", i)), "sha256:") {
			t.Errorf("what %s pushed is not there", p.name)
		}
	}
}
