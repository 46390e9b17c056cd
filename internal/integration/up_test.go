//go:build integration

package integration

import (
	"maps"
	"strings"
	"testing"
)

// upOutput is the JSON of `regctl up`, as far as tests ask.
type upOutput struct {
	URL     string   `json:"url"`
	Changed bool     `json:"changed"`
	DryRun  bool     `json:"dry_run"`
	Plan    []string `json:"plan"`
	Users   []string `json:"users"`
	CA      string   `json:"ca"`
}

// statusOutput is the JSON of `regctl status`, as far as tests ask.
type statusOutput struct {
	Project     string
	URL         string
	State       string
	Answers     bool
	Services    []struct{ Name, State, Health, Image string }
	Certificate struct {
		Mode   string
		Same   bool
		Served *struct{ Fingerprint string }
	}
	Users   int
	Storage *struct {
		Repositories, Tags int
		Bytes              int64
	}
	Problems []string
}

func (d *deployment) status(t *testing.T, wantStatus int) (s statusOutput) {
	t.Helper()
	r := d.regctl(t, "status", "--json")
	r.want(t, wantStatus)
	r.json(t, &s)
	return s
}

// TestLife is a deployment's life with both registries: up from nothing, up
// again, down, up again with its images.
func TestLife(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := initialised(t, options{registry: version.image})

			if s := d.status(t, 3); s.State != "down" || s.Answers {
				t.Errorf("before the first up: %+v", s)
			}
			var plan, first, again upOutput
			d.must(t, "up", "--dry-run", "--json").json(t, &plan)
			if !plan.DryRun || len(plan.Plan) == 0 {
				t.Errorf("--dry-run of a first up: %+v", plan)
			}
			if id := d.containerID(t, "registry"); id != "" {
				t.Errorf("--dry-run made container %s", id)
			}
			up := d.must(t, "up", "--json")
			up.json(t, &first)
			if !first.Changed || first.URL != d.url("") || first.CA != d.ca() || len(first.Users) != 1 || first.Users[0] != "admin" {
				t.Errorf("first up: %+v", first)
			}
			if d.password == "" || strings.Contains(up.stdout+up.stderr, d.password) {
				t.Errorf("up shows the password: %v", up)
			}
			if got := d.get(t, "/v2/"); got.StatusCode != 200 {
				t.Errorf("GET /v2/ after up: %s", got.Status)
			}
			image := d.pushRandom(t, "life/app:1", 2)

			before := d.running(t)
			unchanged := d.must(t, "up", "--json")
			unchanged.json(t, &again)
			if again.Changed || len(again.Plan) != 0 {
				t.Errorf("second up: %+v", again)
			}
			if now := d.running(t); !maps.Equal(before, now) {
				t.Errorf("second up touched containers: before %v, now %v", before, now)
			}
			t.Logf("up from nothing %v, unchanged %v", up.took, unchanged.took)

			s := d.status(t, 0)
			if s.State != "up" || !s.Answers || len(s.Services) != len(services) || !s.Certificate.Same || s.Users != 1 || len(s.Problems) != 0 {
				t.Errorf("status of a running stack: %+v", s)
			}
			if s.Storage == nil || s.Storage.Repositories != 1 || s.Storage.Tags != 1 || s.Storage.Bytes == 0 {
				t.Errorf("status counts %+v, want one repository with one tag", s.Storage)
			}

			d.must(t, "down")
			if id := d.containerID(t, "registry"); id != "" {
				t.Errorf("down left container %s", id)
			}
			if s := d.status(t, 3); s.State != "down" {
				t.Errorf("after down: %+v", s)
			}
			d.must(t, "down") // again: nothing to do is no failure
			d.must(t, "up")
			if got := d.digest(t, "life/app:1"); got != image {
				t.Errorf("after down and up the tag is %s, want %s", got, image)
			}
		})
	}
}

// TestComposeAlone drops regctl after init: what it wrote is a Compose project
// like any other.
func TestComposeAlone(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{httpPort: true})
	config := tool(t, "docker", "compose", "-f", d.path("docker-compose.yml"), "config")
	for _, want := range []string{"name: " + d.project, "image: " + imageRegistry3, "read_only: true"} {
		if !strings.Contains(config, want) {
			t.Errorf("docker compose config shows no %q:\n%s", want, config)
		}
	}
	if r := try(t, "docker", "compose", "-f", d.path("docker-compose.yml"), "config", "--quiet"); r.status != 0 || r.stderr != "" {
		t.Errorf("docker compose config complains: %v", r)
	}
	tool(t, d.composeCommand("up", "--detach", "--wait")...)
	if got := d.login(t, d.user, d.password); got != 200 {
		t.Errorf("login to a stack that Compose alone started: %d", got)
	}
	// regctl knows it as its own.
	before := d.running(t)
	d.must(t, "up")
	if now := d.running(t); !maps.Equal(before, now) {
		t.Errorf("up after docker compose up touched containers: before %v, now %v", before, now)
	}
	tool(t, d.composeCommand("down")...)
	if s := d.status(t, 3); s.State != "down" {
		t.Errorf("after docker compose down: %+v", s)
	}
}
