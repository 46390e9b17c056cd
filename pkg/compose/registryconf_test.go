package compose

import (
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// registryConf is what of the registry's configuration matters here. Unknown
// keys are kept apart, so that one that was added shows.
type registryConf struct {
	Version any
	Log     struct {
		Level     string
		Formatter string
		AccessLog struct{ Disabled bool }
	}
	Storage map[string]any
	Auth    map[string]struct{ Realm, Path string }
	HTTP    struct {
		Net          string
		Addr         string
		Secret       string
		RelativeURLs bool `yaml:"relativeurls"`
		DrainTimeout string
		Headers      map[string][]string
		Debug        struct {
			Addr       string
			Prometheus struct {
				Enabled bool
				Path    string
			}
		}
	}
	Middleware map[string][]struct {
		Name    string
		Options map[string]string
	}
	Health map[string]any
}

func parseRegistry(t *testing.T, data []byte) registryConf {
	t.Helper()
	var c registryConf
	if err := yaml.Load(data, &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoldenRegistry(t *testing.T) {
	for _, g := range goldenCases() {
		t.Run(g.name, func(t *testing.T) {
			c := parseRegistry(t, g.render(t)[RegistryConf].Data)
			equal(t, "version", c.Version, any(0.1))
			equal(t, "log level", c.Log.Level, g.config.Registry.LogLevel)
			equal(t, "access log disabled: nginx writes one", c.Log.AccessLog.Disabled, true)
			g.checkStorage(t, c)
			equal(t, "ways to log in: nginx judges", len(c.Auth), 0)
			// Without a network, and debugging for the container alone.
			equal(t, "addr", c.HTTP.Net+" "+c.HTTP.Addr, "unix /run/regctl/registry.sock")
			equal(t, "debug addr", c.HTTP.Debug.Addr, "127.0.0.1:5001")
			equal(t, "metrics", c.HTTP.Debug.Prometheus.Enabled, g.config.Registry.Metrics)
			equal(t, "redirect, for nginx to catch", c.Middleware["storage"][0].Options["baseurl"], "http://blob.invalid/")
			equal(t, "secret", c.HTTP.Secret, testSecret)
			equal(t, "relativeurls", c.HTTP.RelativeURLs, true)
			drain, err := time.ParseDuration(c.HTTP.DrainTimeout)
			if grace := time.Duration(g.config.StopGrace); err != nil || drain <= 0 || drain >= grace {
				t.Errorf("draintimeout %q does not end before stop_grace, %s", c.HTTP.DrainTimeout, grace)
			}
		})
	}
}

func TestGoldenAuth(t *testing.T) {
	for _, g := range goldenCases() {
		t.Run(g.name, func(t *testing.T) {
			c := parseRegistry(t, g.render(t)[AuthConf].Data)
			equal(t, "storage: none that lasts", c.Storage, map[string]any{"inmemory": map[string]any{}})
			equal(t, "ways to log in", len(c.Auth), 1)
			equal(t, "htpasswd", c.Auth["htpasswd"].Path, "/auth/htpasswd")
			equal(t, "realm", c.Auth["htpasswd"].Realm, g.config.Domain)
			equal(t, "addr", c.HTTP.Net+" "+c.HTTP.Addr, "unix /run/regctl/auth.sock")
			equal(t, "debug addr", c.HTTP.Debug.Addr, "127.0.0.1:5001")
		})
	}
}

// checkStorage: deleting has to be possible, and a cache of descriptors makes
// images unpullable after a garbage collection.
func (g goldenCase) checkStorage(t *testing.T, c registryConf) {
	t.Helper()
	for key := range c.Storage {
		switch key {
		case "filesystem", "delete", "maintenance":
		default:
			t.Errorf("storage.%s is set", key)
		}
	}
	equal(t, "storage.filesystem", c.Storage["filesystem"], any(map[string]any{"rootdirectory": "/var/lib/registry"}))
	equal(t, "storage.delete", c.Storage["delete"], any(map[string]any{"enabled": true}))
	m, _ := c.Storage["maintenance"].(map[string]any)
	for key := range m { // readonly would refuse every push
		if key != "uploadpurging" {
			t.Errorf("storage.maintenance.%s is set", key)
		}
	}
}
