package compose

import (
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

// staged is a deployment directory that holds a rendered Compose file.
func staged(t *testing.T) Layout {
	t.Helper()
	l := Layout{Dir: t.TempDir()}
	put(t, l.Path(ComposeFile), string(goldenCases()[0].render(t)[ComposeFile].Data))
	return l
}

func TestLoadMergesTheOverride(t *testing.T) {
	l := staged(t)
	put(t, l.Path(".env"), "REGION=north\n")
	put(t, l.Path(OverrideFile), "services:\n  nginx:\n    labels: {region: \"${REGION}\"}\n  extra:\n    image: busybox\n")
	p, err := l.Load(t.Context(), l.Path(ComposeFile), "other")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "project", p.Name, "other")
	equal(t, "services", p.ServiceNames(), []string{"auth", "extra", "nginx", "registry"})
	equal(t, "label", p.Services["nginx"].Labels["region"], "north")
	equal(t, "the rest", p.Services["nginx"].ReadOnly, true)
}

func TestLoadRefuses(t *testing.T) {
	const mergedIn = "look at docker-compose.override.yml"
	tests := map[string]struct {
		file, override string
		says, hint     string
	}{
		"no YAML":            {file: "services: [", says: "not valid"},
		"unknown key":        {file: "services:\n  registry: {image: r, imagee: x}\n  nginx: {image: n}\n", says: "imagee"},
		"no registry":        {file: "services:\n  nginx: {image: n}\n", says: `no service "registry"`},
		"no nginx":           {file: "services:\n  registry: {image: r}\n", says: `no service "nginx"`},
		"override no YAML":   {override: "services: {", says: "not valid", hint: mergedIn},
		"override wrong key": {override: "services:\n  nginx:\n    port: [1]\n", says: "port", hint: mergedIn},
		"override unknown network": {override: "services:\n  nginx:\n    networks: [nowhere]\n",
			says: "nowhere", hint: mergedIn},
		"override variable required": {override: "services:\n  nginx:\n    labels: {a: \"${REGCTL_TEST_UNSET:?is not set}\"}\n",
			says: "is not set", hint: mergedIn},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := staged(t)
			if tt.file != "" {
				put(t, l.Path(ComposeFile), tt.file)
			}
			if tt.override != "" {
				put(t, l.Path(OverrideFile), tt.override)
			}
			_, err := l.Load(t.Context(), l.Path(ComposeFile), "p")
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v, want %q", err, tt.says)
			}
			if hint := advice.Of(err); !strings.HasPrefix(hint, tt.hint) || tt.hint == "" && hint != "" {
				t.Errorf("hint %q", hint)
			}
		})
	}
}

// A staged file is checked against the deployment that it is for: its relative
// paths and the person's override are there.
func TestLoadStagedFile(t *testing.T) {
	l := staged(t)
	stage := Layout{Dir: t.TempDir()}
	put(t, stage.Path(ComposeFile), string(goldenCases()[0].render(t)[ComposeFile].Data))
	put(t, l.Path(OverrideFile), "services:\n  nginx:\n    labels: {seen: \"yes\"}\n")
	p, err := l.Load(t.Context(), stage.Path(ComposeFile), "p")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "label", p.Services["nginx"].Labels["seen"], "yes")
	equal(t, "mounts", mounts(p.Services["nginx"], l), []string{"bind ./auth /etc/regctl/auth", "bind ./certs /etc/regctl/certs",
		"bind ./nginx /etc/regctl/nginx", "volume registry-data /var/lib/registry", "volume sockets /run/regctl"})
}
