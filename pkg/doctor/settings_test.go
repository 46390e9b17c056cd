package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

// rendered is a file as regctl renders it.
func rendered(t *testing.T, name string) string {
	t.Helper()
	files, err := compose.Render(compose.Input{Config: config.New("registry", "registry.example.com", ""), HTTPSecret: strings.Repeat("s", 32), CertName: "registry.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == name {
			return string(f.Data)
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

func edited(t *testing.T, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in it", old)
	}
	return strings.ReplaceAll(text, old, new)
}

func TestReadNginx(t *testing.T) {
	text := rendered(t, compose.NginxConf)
	c := ReadNginx(text)
	if c.HTTP2 || len(c.Timeouts) != 4 || c.Timeouts["proxy_read_timeout"] != 900*time.Second || c.Timeouts["client_body_timeout"] != 300*time.Second {
		t.Errorf("%+v", c)
	}
	if c := ReadNginx(edited(t, text, "proxy_read_timeout 900s", "proxy_read_timeout 1m")); c.Timeouts["proxy_read_timeout"] != time.Minute {
		t.Errorf("%+v", c)
	}
	if c := ReadNginx(edited(t, text, "listen 443 ssl default_server", "listen 443 ssl http2 default_server")); !c.HTTP2 {
		t.Error("http2 on listen is not seen")
	}
	if c := ReadNginx(edited(t, text, "server_tokens off;", "server_tokens off;\n    http2 on;")); !c.HTTP2 {
		t.Error("http2 on is not seen")
	}
	if c := ReadNginx(text + "\n# http2 on;\n"); c.HTTP2 {
		t.Error("a comment is taken for a directive")
	}
}

func TestReadRegistry(t *testing.T) {
	text := rendered(t, compose.RegistryConf)
	for name, tt := range map[string]struct {
		text string
		env  []string
		want RegistryConf
	}{
		"rendered":         {text, []string{"PATH=/bin"}, RegistryConf{Delete: true, RelativeURLs: true}},
		"no delete":        {edited(t, text, "enabled: true # without", "enabled: false # without"), nil, RegistryConf{RelativeURLs: true}},
		"flow style":       {"storage:\n  delete: {enabled: true}\n  cache: {blobdescriptor: redis}\n", nil, RegistryConf{Delete: true, Cache: "redis"}},
		"cache":            {edited(t, text, "  maintenance:", "  cache:\n    blobdescriptor: inmemory\n  maintenance:"), nil, RegistryConf{true, true, "inmemory"}},
		"absolute":         {edited(t, text, "relativeurls: true", "relativeurls: false"), nil, RegistryConf{Delete: true}},
		"environment":      {text, []string{"REGISTRY_STORAGE_DELETE_ENABLED=false", "REGISTRY_HTTP_RELATIVEURLS=0", "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR=inmemory"}, RegistryConf{Cache: "inmemory"}},
		"cache turned off": {"storage:\n  cache:\n    blobdescriptor: inmemory\n", []string{"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR=none"}, RegistryConf{}},
	} {
		if got := ReadRegistry(tt.text, tt.env); *got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, *got, tt.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for said, want := range map[string]string{
		"registry github.com/distribution/distribution/v3 3.1.2":          "3.1.2",
		"registry github.com/distribution/distribution/v3 v3.1.2":         "3.1.2",
		"registry github.com/docker/distribution 2.8.3+ds1":               "2.8.3",
		"nginx version: nginx/1.26.3 (Debian)":                            "1.26.3",
		"sh: nginx: not found":                                            "",
		"registry github.com/distribution/distribution/v3 v3.0.0+unknown": "3.0.0",
	} {
		if got := Version(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
