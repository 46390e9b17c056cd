//go:build integration

package integration

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// status takes no longer than about a second, with numbers of the last collection
// where the registry is too large to count, and writes what Prometheus reads.
func TestStatusForms(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := initialised(t, options{registry: version.image})
			d.setConfig(t, "registry", "metrics", true)
			d.must(t, "up")
			testStatusForms(t, &front{deployment: d, http: d.client(t)})
		})
	}
}

func testStatusForms(t *testing.T, f *front) {
	f.pushRandom(t, "team/app:v1", 1)
	f.must(t, "gc", "--yes")
	r := f.must(t, "status", "--json")
	var s struct {
		LastGC  *time.Time `json:"last_gc"`
		Storage struct {
			Repositories, Tags *int
			Counted            *time.Time
		}
	}
	r.json(t, &s)
	if s.LastGC == nil || s.Storage.Tags == nil || *s.Storage.Tags != 1 || *s.Storage.Repositories != 1 {
		t.Errorf("%v", r)
	}
	file := t.TempDir() + "/regctl.prom"
	if r := f.must(t, "status", "--prometheus", file); r.stdout+r.stderr != "" {
		t.Errorf("%v", r)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	project := `project="` + f.project + `"`
	for _, line := range []string{"regctl_up{" + project + "} 1", "regctl_tags{" + project + "} 1", "regctl_last_gc_seconds{"} {
		if !strings.Contains(string(data), line) {
			t.Errorf("%q is not in\n%s", line, data)
		}
	}
	// The registry's own: the manifest that was put is counted. Each name is of
	// regctl or the registry, for those of node_exporter are its own.
	put := regexp.MustCompile(`(?m)^registry_http_requests_total\{` + project + `,code="201",handler="manifest",method="put"\} 1$`)
	if !put.Match(data) {
		t.Errorf("the push is not counted:\n%s", data)
	}
	for line := range strings.Lines(string(data)) {
		if name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "); !strings.HasPrefix(name, "regctl_") && !strings.HasPrefix(name, "registry_") {
			t.Errorf("not ours: %s", line)
		}
	}
	if _, err := os.Stat(f.path(".regctl/disk.json")); err != nil {
		t.Errorf("what is free is not kept: %v", err)
	}
	f.must(t, "down")
	if r := f.must(t, "status", "--prometheus", file); r.stdout+r.stderr != "" {
		t.Errorf("%v", r)
	}
	data, err = os.ReadFile(file)
	if text := string(data); err != nil || !strings.Contains(text, "regctl_up{"+project+"} 0") || strings.Contains(text, "registry_http") {
		t.Errorf("%v\n%s", err, data)
	}
}
