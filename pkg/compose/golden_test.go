package compose

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var update = flag.Bool("update", false, "write the golden files anew")

const goldenDir = "testdata/golden"

func TestGolden(t *testing.T) {
	for _, g := range goldenCases() {
		t.Run(g.name, func(t *testing.T) {
			for name, f := range g.render(t) {
				if filepath.Ext(name) == ".js" {
					continue // the same everywhere; templates tests them
				}
				path := filepath.Join(goldenDir, g.name, filepath.FromSlash(name))
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, f.Data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatalf("%v (go test ./pkg/compose -update writes it)", err)
				}
				if d := diff.Diff(path, want, "rendered", f.Data); len(d) > 0 {
					t.Errorf("%s", d)
				}
			}
		})
	}
}

// A golden file that no case renders any more tests nothing.
func TestNoGoldenFileIsLeftOver(t *testing.T) {
	known := map[string]bool{}
	for _, g := range goldenCases() {
		for name := range g.render(t) {
			known[filepath.Join(goldenDir, g.name, filepath.FromSlash(name))] = true
		}
	}
	err := filepath.WalkDir(goldenDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !known[path] {
			t.Errorf("%s belongs to no case", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRenderedFiles(t *testing.T) {
	files, err := Render(Input{Config: goldenCases()[0].config, HTTPSecret: testSecret, CertName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	type shape struct {
		Path   string
		Mode   fs.FileMode
		Secret bool
	}
	var got []shape
	for _, f := range files {
		got = append(got, shape{f.Path, f.Mode, f.Secret})
	}
	want := []shape{
		{"registry/config.yml", 0o600, true},
		{"registry/auth.yml", 0o600, true},
		{"nginx/js/closing.js", 0o644, false},
		{"nginx/js/front.js", 0o644, false},
		{"nginx/js/memory.js", 0o644, false},
		{"nginx/js/path.js", 0o644, false},
		{"nginx/js/rights.js", 0o644, false},
		{"nginx/settings.json", 0o644, false},
		{"nginx/nginx.conf", 0o644, false},
		{"docker-compose.yml", 0o644, false},
	}
	if !slices.Equal(got, want) {
		t.Errorf("rendered %v, want %v", got, want)
	}
	for i, path := range Paths() {
		if path != want[i].Path || len(Paths()) != len(want) {
			t.Errorf("Paths gives %v", Paths())
		}
	}
}

// The same input gives the same bytes, so that nothing looks out of date.
func TestRenderIsPure(t *testing.T) {
	for _, g := range goldenCases() {
		one, other := g.render(t), g.render(t)
		for name := range one {
			if string(one[name].Data) != string(other[name].Data) {
				t.Errorf("%s: %s differs between two renderings", g.name, name)
			}
		}
	}
}

// The registry reads its configuration only at the start: a new one has to
// change the Compose file, or the container is kept.
func TestRegistryConfigurationReachesTheComposeFile(t *testing.T) {
	in := Input{Config: goldenCases()[0].config, HTTPSecret: testSecret, CertName: "localhost"}
	before := rendered(t, in)
	in.HTTPSecret = "fedcba9876543210fedcba9876543210"
	after := rendered(t, in)
	if string(before[RegistryConf].Data) == string(after[RegistryConf].Data) {
		t.Fatal("the secret is not in the registry's configuration")
	}
	if string(before[ComposeFile].Data) == string(after[ComposeFile].Data) {
		t.Error("another registry configuration left the Compose file as it was")
	}
	if string(before[NginxConf].Data) != string(after[NginxConf].Data) {
		t.Error("the secret changed the configuration of nginx")
	}
}
