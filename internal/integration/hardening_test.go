//go:build integration

package integration

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHardening looks at the running containers, not at the file that asked for
// them: who they may be, what they may write, and whom they can reach.
func TestHardening(t *testing.T) {
	t.Parallel()
	d := stack(t, options{httpPort: true})
	added := map[string][]string{
		"registry": {},
		"auth":     {},
		"nginx":    {"CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"},
	}
	for service, capAdd := range added {
		c := d.container(t, service)
		h := c.HostConfig
		if !h.ReadonlyRootfs || h.Privileged {
			t.Errorf("%s: read-only root file system %v, privileged %v", service, h.ReadonlyRootfs, h.Privileged)
		}
		got := slices.Clone(h.CapAdd)
		slices.Sort(got)
		if !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Equal(got, capAdd) {
			t.Errorf("%s: capabilities dropped %v, added %v, want ALL and %v", service, h.CapDrop, got, capAdd)
		}
		if !slices.Contains(h.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: security options %v", service, h.SecurityOpt)
		}
		if h.LogConfig.Type != "json-file" || h.LogConfig.Config["max-size"] == "" || h.LogConfig.Config["max-file"] == "" {
			t.Errorf("%s: its log grows without bound: %+v", service, h.LogConfig)
		}
		if h.RestartPolicy.Name != "unless-stopped" {
			t.Errorf("%s: restart policy %q", service, h.RestartPolicy.Name)
		}
		for path, how := range h.Tmpfs {
			if !strings.Contains(how, "size=") {
				t.Errorf("%s: tmpfs %s has no limit: %q", service, path, how)
			}
		}
		for _, m := range c.Mounts {
			if m.Type == "bind" && m.RW {
				t.Errorf("%s may write to %s of this host", service, m.Source)
			}
			if m.Type == "volume" && !strings.HasPrefix(m.Name, d.project+"_") {
				t.Errorf("%s has a volume of no name at %s, which stays behind", service, m.Destination)
			}
			if m.Destination == "/var/lib/registry" && m.RW != (service == "registry") {
				t.Errorf("%s may write to the images: %v", service, m.RW)
			}
		}
		if r := d.exec(t, service, "touch", "/somewhere"); r.status == 0 {
			t.Errorf("%s can write to its root file system", service)
		}
	}
	t.Run("networks", func(t *testing.T) { testNetworks(t, d) })
	t.Run("processes", func(t *testing.T) { testProcesses(t, d) })
	// The health checks have to work with what the images have.
	eventually(t, 45*time.Second, "all containers are healthy", func() bool {
		for _, service := range services {
			if d.container(t, service).State.Health.Status != "healthy" {
				return false
			}
		}
		return true
	})
	for service := range added {
		if n := d.container(t, service).RestartCount; n != 0 {
			t.Errorf("%s was restarted %d times", service, n)
		}
	}
}

// testNetworks: only Nginx is on a network at all, and only what it publishes is
// reached from there.
func testNetworks(t *testing.T, d *deployment) {
	for _, service := range []string{"registry", "auth"} {
		c := d.container(t, service)
		if ports := c.HostConfig.PortBindings; len(ports) != 0 {
			t.Errorf("%s publishes %v", service, ports)
		}
		if _, none := c.NetworkSettings.Networks["none"]; !none || len(c.NetworkSettings.Networks) != 1 {
			t.Errorf("%s is on the networks %v, want none", service, c.NetworkSettings.Networks)
		}
		// As the kernel has it: no interface but loopback (proc_net_dev(5)).
		dev := d.exec(t, service, "cat", "/proc/net/dev")
		dev.want(t, 0)
		for line := range strings.Lines(dev.stdout) {
			if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "lo" {
				t.Errorf("%s has the interface %s", service, name)
			}
		}
	}
	nginx := d.container(t, "nginx")
	for port, bindings := range nginx.HostConfig.PortBindings {
		if port != "443/tcp" && port != "80/tcp" {
			t.Errorf("nginx publishes %s", port)
		}
		for _, b := range bindings {
			if b.HostIp != "127.0.0.1" {
				t.Errorf("port %s is published on %q, want 127.0.0.1 (bind)", port, b.HostIp)
			}
		}
	}
	// A neighbour on Nginx's network reaches its two ports and nothing else: not the
	// health check's, nor those over which the scripts ask.
	address := nginx.NetworkSettings.Networks[d.project+"_edge"].IPAddress
	neighbour := func(port string) result {
		return try(t, "docker", "run", "--rm", "--label", testLabel+"="+d.project, "--network", d.project+"_edge",
			"--entrypoint", "wget", imageNginx, "-q", "-T", "3", "-O", "/dev/null", "http://"+net.JoinHostPort(address, port)+"/v2/")
	}
	if r := neighbour("80"); !strings.Contains(r.stderr, "404") {
		t.Errorf("port 80 from another container: %v", r)
	}
	for _, port := range []string{"5000", "8080", "8081", "8082"} {
		if r := neighbour(port); r.status == 0 || !strings.Contains(r.stderr, "refused") {
			t.Errorf("port %s of nginx from another container: %v", port, r)
		}
	}
	d.exec(t, "nginx", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/healthz").want(t, 0)
}

// testProcesses: Nginx's workers, which talk to strangers, are not root and hold
// no capability.
func testProcesses(t *testing.T, d *deployment) {
	workers := 0
	for line := range strings.Lines(tool(t, "docker", "top", d.containerID(t, "nginx"), "-o", "pid,uid,args")) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.Contains(line, "worker process") {
			continue
		}
		workers++
		if f[1] == "0" {
			t.Errorf("a worker of nginx runs as root: %s", line)
		}
		status := tool(t, "cat", "/proc/"+f[0]+"/status")
		for _, set := range []string{"CapEff:", "CapPrm:"} {
			_, rest, _ := strings.Cut(status, set)
			if caps := strings.Fields(rest)[0]; strings.Trim(caps, "0") != "" {
				t.Errorf("a worker of nginx holds capabilities: %s %s", set, caps)
			}
		}
		if !strings.Contains(status, "NoNewPrivs:\t1") {
			t.Errorf("a worker of nginx can gain privileges")
		}
	}
	if workers == 0 {
		t.Error("nginx has no workers")
	}
}
