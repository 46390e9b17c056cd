package compose

import (
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/config"
)

// testSecret stands for the secret of a deployment in golden files.
const testSecret = "0123456789abcdef0123456789abcdef"

const someDigest = "sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// goldenCase is one configuration whose rendering is kept under testdata.
type goldenCase struct {
	name   string
	config *config.Config
	owner  int
}

func goldenCases() []goldenCase {
	local := func(change func(*config.Config)) *config.Config {
		c := config.New("registry", "localhost", config.ModeSelfSigned)
		c.HTTPSPort = 8443
		if change != nil {
			change(c)
		}
		return c
	}
	return []goldenCase{
		{name: "selfsigned-localhost", config: local(nil)},
		{name: "files-443", config: func() *config.Config {
			c := config.New("registry", "registry.example.com", config.ModeFiles)
			c.TLS.Cert, c.TLS.Key = "/etc/ssl/registry.pem", "/etc/ssl/registry.key"
			return c
		}()},
		{name: "http-port", config: local(func(c *config.Config) { c.HTTPPort = 8080 })},
		{name: "bind", config: local(func(c *config.Config) { c.Bind, c.HTTPPort = "192.0.2.10", 80 })},
		{name: "bind-ipv6", config: local(func(c *config.Config) { c.Bind = "2001:db8::1" })},
		{name: "domain-ipv6", config: config.New("registry", "2001:db8::5", config.ModeSelfSigned)},
		{name: "foreign-owner", config: local(nil), owner: 1000},
		{name: "immutable", config: local(func(c *config.Config) { c.Immutable = []string{"release/**:v*", "base:*"} })},
		{name: "cost-14", config: local(func(c *config.Config) { c.Users.Cost = 14 })},
		{name: "nginx-no-version", config: local(func(c *config.Config) { c.Nginx.Image = "reg.test:5000/mirror/nginx:alpine" })},
		{name: "nginx-digest", config: local(func(c *config.Config) { c.Nginx.Image = "nginx:1.30.6-alpine@" + someDigest })},
		{name: "registry-2", config: local(func(c *config.Config) {
			c.Registry.Image, c.Registry.LogLevel = "registry:2.8.3", "debug"
			c.StopGrace = config.Duration(4 * time.Second)
		})},
		{name: "metrics", config: local(func(c *config.Config) { c.Registry.Metrics = true })},
		{name: "registry-digest", config: local(func(c *config.Config) { c.Registry.Image = "registry@" + someDigest })},
		// To YAML these two are an integer and a boolean unless they are quoted.
		{name: "project-number", config: local(func(c *config.Config) { c.Project = "0123" })},
		{name: "project-word", config: local(func(c *config.Config) { c.Project = "no" })},
		{name: "project-longest", config: local(func(c *config.Config) { c.Project = strings.Repeat("a-_", 21) })},
	}
}

// render renders a case, which has to be one that regctl.yaml can hold.
func (g goldenCase) render(t *testing.T) map[string]File {
	t.Helper()
	if faults := g.config.Validate(); len(faults) > 0 {
		t.Fatalf("no such configuration can be: %v", faults)
	}
	return rendered(t, Input{Config: g.config, HTTPSecret: testSecret, CertName: g.config.Domain, OwnerUID: g.owner})
}

func rendered(t *testing.T, in Input) map[string]File {
	t.Helper()
	files, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]File{}
	for _, f := range files {
		byPath[f.Path] = f
	}
	return byPath
}

func TestDrainEndsBeforeTheGrace(t *testing.T) {
	for _, grace := range []time.Duration{time.Second, 4 * time.Second, 40 * time.Second, 5 * time.Minute, time.Hour} {
		got := drainTimeout(grace)
		if got <= 0 || got >= grace || got < grace*3/4 || grace-got > 10*time.Second {
			t.Errorf("a grace of %s leaves %s for uploads", grace, got)
		}
	}
}
