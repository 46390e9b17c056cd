//go:build integration

package integration

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestPortTaken starts a stack whose port is somebody else's.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{httpPort: true})
	before := d.tree(t)
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, listen string
		port         int
		key          string
	}{
		{"https, on the same address", "127.0.0.1", d.httpsPort, "https_port"},
		{"https, on every address", "0.0.0.0", d.httpsPort, "https_port"},
		{"https, on every address of both kinds", "", d.httpsPort, "https_port"},
		{"http", "127.0.0.1", d.httpPort, "http_port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", net.JoinHostPort(c.listen, strconv.Itoa(c.port)))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d.regctl(t, "up").want(t, 5,
				fmt.Sprintf("port %d is not free: used by %s (pid %d)", c.port, strings.TrimSpace(string(comm)), os.Getpid()),
				"hint: end what uses it, or change "+c.key+" in "+d.path("regctl.yaml"))
			sameMap(t, "files", before, d.tree(t))
			d.noContainers(t)
		})
	}
	t.Run("by a container", func(t *testing.T) {
		name := d.project + "-squatter"
		tool(t, "docker", "run", "--detach", "--name", name, "--label", testLabel+"="+d.project,
			"--publish", "127.0.0.1:"+strconv.Itoa(d.httpsPort)+":80", "--entrypoint", "sleep", imageNginx, "600")
		d.regctl(t, "up").want(t, 5, fmt.Sprintf("port %d is not free: used by container %s", d.httpsPort, name))
		d.noContainers(t)
		tool(t, "docker", "rm", "--force", name)
	})
	t.Run("by another stack", func(t *testing.T) {
		other := stack(t, options{})
		good := d.read(t, "regctl.yaml")
		d.setConfig(t, "https_port", "", other.httpsPort)
		other.untouched(t, func() {
			d.regctl(t, "up").want(t, 5, "used by container "+other.project+"-nginx-1 (Compose project "+other.project+")")
		})
		d.noContainers(t)
		d.write(t, "regctl.yaml", good)
	})
	t.Run("free again", func(t *testing.T) { d.must(t, "up") })
}
