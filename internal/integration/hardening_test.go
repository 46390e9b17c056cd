//go:build integration

package integration

import (
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
		}
		if r := d.exec(t, service, "touch", "/somewhere"); r.status == 0 {
			t.Errorf("%s can write to its root file system", service)
		}
	}
	t.Run("networks", func(t *testing.T) { testNetworks(t, d) })
	t.Run("processes", func(t *testing.T) { testProcesses(t, d) })
	// The health checks have to work with what the images have.
	eventually(t, 45*time.Second, "both containers are healthy", func() bool {
		return d.container(t, "registry").State.Health.Status == "healthy" && d.container(t, "nginx").State.Health.Status == "healthy"
	})
	for service := range added {
		if n := d.container(t, service).RestartCount; n != 0 {
			t.Errorf("%s was restarted %d times", service, n)
		}
	}
}

// testNetworks: only Nginx is published, and the registry has no way out.
func testNetworks(t *testing.T, d *deployment) {
	if ports := d.container(t, "registry").HostConfig.PortBindings; len(ports) != 0 {
		t.Errorf("the registry publishes %v", ports)
	}
	for port, bindings := range d.container(t, "nginx").HostConfig.PortBindings {
		if port != "443/tcp" && port != "80/tcp" {
			t.Errorf("nginx publishes %s", port)
		}
		for _, b := range bindings {
			if b.HostIp != "127.0.0.1" {
				t.Errorf("port %s is published on %q, want 127.0.0.1 (bind)", port, b.HostIp)
			}
		}
	}
	// Nginx's address on its other network is one hop away. Another container there
	// reaches it (to be told that it serves no pages); the registry does not.
	edge := "http://" + d.container(t, "nginx").NetworkSettings.Networks[d.project+"_edge"].IPAddress + "/"
	ask := []string{"wget", "-q", "-T", "3", "-O", "/dev/null", edge}
	neighbour := try(t, append([]string{"docker", "run", "--rm", "--label", testLabel + "=" + d.project, "--network", d.project + "_edge",
		"--entrypoint", ask[0], imageNginx}, ask[1:]...)...)
	if !strings.Contains(neighbour.stderr, "404") {
		t.Fatalf("the question that the registry is not to get an answer to has none at all: %v", neighbour)
	}
	if r := d.exec(t, "registry", ask...); r.status == 0 || strings.Contains(r.stderr, "404") {
		t.Errorf("the registry reaches beyond its network: %v", r)
	}
	// Between two bridges Docker lets nothing through anyway; this is about the world.
	if out := tool(t, "docker", "network", "inspect", "--format", "{{.Internal}}", d.project+"_internal"); strings.TrimSpace(out) != "true" {
		t.Errorf("the registry's network is internal: %s", out)
	}
	// On its own network the registry wants a password all the same.
	inside := try(t, "docker", "run", "--rm", "--label", testLabel+"="+d.project, "--network", d.project+"_internal",
		"--entrypoint", "wget", imageNginx, "-q", "-O", "/dev/null", "http://registry:5000/v2/")
	if inside.status == 0 || !strings.Contains(inside.stderr, "401") {
		t.Errorf("GET /v2/ on the internal network: %v", inside)
	}
	// Port 8080, the health check's, listens inside the container alone.
	outside := try(t, "docker", "run", "--rm", "--label", testLabel+"="+d.project, "--network", d.project+"_internal",
		"--entrypoint", "wget", imageNginx, "-q", "-T", "3", "-O", "/dev/null", "http://nginx:8080/healthz")
	if outside.status == 0 || !strings.Contains(outside.stderr, "refused") {
		t.Errorf("GET of nginx's health check from another container: %v", outside)
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
