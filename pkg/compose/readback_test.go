package compose

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/regctl/regctl/pkg/durable"
)

// project loads a case's Compose file as Docker Compose would.
func (g goldenCase) project(t *testing.T) (*types.Project, Layout) {
	t.Helper()
	l := Layout{Dir: t.TempDir()}
	f := g.render(t)[ComposeFile]
	if err := durable.WriteFile(l.Path(f.Path), f.Data, f.Mode); err != nil {
		t.Fatal(err)
	}
	p, err := l.Load(t.Context(), l.Path(ComposeFile), g.config.Project)
	if err != nil {
		t.Fatal(err)
	}
	return p, l
}

func TestGoldenComposeReadBack(t *testing.T) {
	for _, g := range goldenCases() {
		t.Run(g.name, func(t *testing.T) {
			p, l := g.project(t)
			if p.Name != g.config.Project {
				t.Errorf("the project is %q, want %q", p.Name, g.config.Project)
			}
			equal(t, "services", p.ServiceNames(), []string{ServiceAuth, ServiceNginx, ServiceRegistry})
			for _, s := range p.Services {
				g.checkHardening(t, s)
			}
			g.checkRegistry(t, p.Services[ServiceRegistry], l, "config.yml", []string{
				"bind ./registry /etc/regctl/registry", "volume registry-data /var/lib/registry", "volume sockets /run/regctl"})
			g.checkRegistry(t, p.Services[ServiceAuth], l, "auth.yml", []string{
				"bind ./auth /auth", "bind ./registry /etc/regctl/registry", "volume sockets /run/regctl"})
			g.checkNginx(t, p.Services[ServiceNginx], l)
			g.checkNetworks(t, p)
		})
	}
}

// checkHardening asserts what both services have in common.
func (g goldenCase) checkHardening(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	equal(t, s.Name+": restart", s.Restart, "unless-stopped")
	equal(t, s.Name+": read_only", s.ReadOnly, true)
	equal(t, s.Name+": privileged", s.Privileged, false)
	equal(t, s.Name+": cap_drop", s.CapDrop, []string{"ALL"})
	equal(t, s.Name+": security_opt", s.SecurityOpt, []string{"no-new-privileges:true"})
	equal(t, s.Name+": logging driver", s.Logging.Driver, "json-file")
	if s.Logging.Options["max-size"] != "20m" || s.Logging.Options["max-file"] != "5" {
		t.Errorf("%s: log rotation is %v", s.Name, s.Logging.Options)
	}
	want := time.Duration(g.config.StopGrace)
	if s.Name == ServiceAuth { // nothing there takes long
		want = 5 * time.Second
	}
	if got := time.Duration(*s.StopGracePeriod); got != want {
		t.Errorf("%s: stop_grace_period is %s, want %s", s.Name, got, want)
	}
	h := s.HealthCheck
	if h == nil || len(h.Test) < 2 || h.Test[0] != "CMD" || h.Interval == nil || h.Timeout == nil || h.Retries == nil {
		t.Fatalf("%s: health check is %+v", s.Name, h)
	}
	if *h.Timeout >= *h.Interval {
		t.Errorf("%s: health checks can overlap: every %s, up to %s each", s.Name, h.Interval, h.Timeout)
	}
	if u := h.Test[len(h.Test)-1]; !strings.HasPrefix(u, "http://127.0.0.1:") {
		t.Errorf("%s: the health check asks %s, not the container itself", s.Name, u)
	}
	// An image's own entrypoint would change owners or write configuration, on a
	// root file system that is read-only.
	if len(s.Entrypoint) == 0 {
		t.Errorf("%s has no entrypoint of its own", s.Name)
	}
	for _, v := range s.Volumes {
		if v.Type == "bind" && (!v.ReadOnly || v.Bind == nil || bool(v.Bind.CreateHostPath)) {
			t.Errorf("%s: the mount on %s is writable or makes its source: %+v", s.Name, v.Target, v)
		}
	}
}

// checkRegistry asserts what the registry and the service of passwords, which is
// the same program, have in common.
func (g goldenCase) checkRegistry(t *testing.T, s types.ServiceConfig, l Layout, file string, want []string) {
	t.Helper()
	equal(t, "registry: image", s.Image, g.config.Registry.Image)
	if len(s.Ports) > 0 || len(s.Expose) > 0 {
		t.Errorf("registry publishes %v %v", s.Ports, s.Expose)
	}
	equal(t, "registry: entrypoint", []string(s.Entrypoint), []string{"/bin/sh", "-c",
		"umask 0002 && exec registry serve /etc/regctl/registry/" + file})
	equal(t, "registry: no network", s.NetworkMode, "none")
	equal(t, "registry: mounts", mounts(s, l), want)
	equal(t, "registry: cap_add", s.CapAdd, g.capabilities())
	if v := s.Environment["OTEL_TRACES_EXPORTER"]; v == nil || *v != "none" {
		t.Errorf("registry: OTEL_TRACES_EXPORTER is %v", v)
	}
	for name := range s.Environment {
		if strings.HasPrefix(name, "REGISTRY_") {
			t.Errorf("registry: %s in the environment overrides its configuration file", name)
		}
	}
}

func (g goldenCase) checkNginx(t *testing.T, s types.ServiceConfig, l Layout) {
	t.Helper()
	c := g.config
	equal(t, "nginx: image", s.Image, c.Nginx.Image)
	equal(t, "nginx: networks", networks(s), []string{"edge"})
	equal(t, "nginx: stop_signal", s.StopSignal, "SIGQUIT")
	want := []string{"443 " + strconv.Itoa(c.HTTPSPort) + " " + c.Bind}
	wantMounts := []string{"bind ./auth /etc/regctl/auth", "bind ./certs /etc/regctl/certs", "bind ./nginx /etc/regctl/nginx",
		"volume registry-data /var/lib/registry", "volume sockets /run/regctl"}
	for _, v := range s.Volumes {
		if v.Source == "registry-data" && !v.ReadOnly {
			t.Error("nginx may write to the images")
		}
	}
	if c.HTTPPort != 0 {
		want = append(want, "80 "+strconv.Itoa(c.HTTPPort)+" "+c.Bind)
		wantMounts = append(wantMounts, "bind ./acme /etc/regctl/acme")
	}
	var ports []string
	for _, p := range s.Ports {
		equal(t, "nginx: protocol", p.Protocol, "tcp")
		ports = append(ports, strconv.Itoa(int(p.Target))+" "+p.Published+" "+p.HostIP)
	}
	equal(t, "nginx: ports", ports, want)
	slices.Sort(wantMounts)
	equal(t, "nginx: mounts", mounts(s, l), wantMounts)
	equal(t, "nginx: cap_add", s.CapAdd, g.capabilities("CHOWN", "SETGID", "SETUID", "NET_BIND_SERVICE"))
	for _, path := range []string{"/run", "/tmp", "/var/cache/nginx"} {
		if !slices.ContainsFunc(s.Tmpfs, func(m string) bool { return strings.HasPrefix(m, path+":size=") }) {
			t.Errorf("nginx: no bounded tmpfs on %s: %v", path, s.Tmpfs)
		}
	}
}

func (g goldenCase) checkNetworks(t *testing.T, p *types.Project) {
	t.Helper()
	equal(t, "networks", p.NetworkNames(), []string{"edge"})
	equal(t, "edge: published ports come in", bool(p.Networks["edge"].Internal), false)
	equal(t, "volume", p.Volumes["registry-data"].Name, g.config.Project+"_registry-data")
	equal(t, "volumes", p.VolumeNames(), []string{"registry-data", "sockets"})
}

// capabilities are those wanted: reading another owner's 0600 files needs one more.
func (g goldenCase) capabilities(names ...string) []string {
	if g.owner != 0 {
		names = append(names, "DAC_OVERRIDE")
	}
	return names
}

func networks(s types.ServiceConfig) []string {
	names := s.NetworksByPriority()
	slices.Sort(names)
	return names
}

// mounts lists a service's mounts, sources relative to the deployment, sorted.
func mounts(s types.ServiceConfig, l Layout) []string {
	var out []string
	for _, v := range s.Volumes {
		out = append(out, v.Type+" "+strings.Replace(v.Source, l.Dir, ".", 1)+" "+v.Target)
	}
	slices.Sort(out)
	return out
}

// equal takes an empty slice for none.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g := reflect.ValueOf(got); g.Kind() == reflect.Slice && g.Len()+reflect.ValueOf(want).Len() == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
