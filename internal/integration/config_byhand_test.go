//go:build integration

package integration

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestEditedByHand edits rendered files, and has the services load them, as
// somebody does in a hurry. up refuses to lose that; --force keeps a copy, and
// what then runs is what regctl wrote.
func TestEditedByHand(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	hsts := func() string { return d.get(t, "/v2/").Header.Get("Strict-Transport-Security") }
	realm := func() string {
		req := d.request(t, "GET", "/v2/", nil)
		req.Header.Del("Authorization")
		return d.do(t, d.client(t), req).Header.Get("WWW-Authenticate")
	}
	for _, c := range []struct {
		file, old, mine string
		load            func() // has the service load the file
		running         func() string
	}{
		{"nginx/nginx.conf", "max-age=63072000", "max-age=1", func() {
			tool(t, "docker", "kill", "--signal", "HUP", d.containerID(t, "nginx"))
		}, hsts},
		{"registry/config.yml", `realm: "localhost"`, `realm: "by hand"`, func() {
			tool(t, d.composeCommand("restart", "registry")...)
		}, realm},
	} {
		t.Run(c.file, func(t *testing.T) {
			want := c.running()
			d.replace(t, c.file, c.old, c.mine)
			c.load()
			mine := strings.Trim(c.mine[strings.LastIndexAny(c.mine, ": ")+1:], `"`)
			eventually(t, 10*time.Second, "the edited file is in use", func() bool { return strings.Contains(c.running(), mine) })

			d.untouched(t, func() {
				d.regctl(t, "up").want(t, 1, c.file, "edited", "regctl diff", "--force")
				d.regctl(t, "render").want(t, 1, c.file)
				if r := d.regctl(t, "diff"); r.status != 3 || !strings.Contains(r.stdout, "edited by hand") {
					t.Errorf("%v", r)
				}
			})
			nginx := d.containerID(t, "nginx")
			d.must(t, "up", "--force")
			if text := d.read(t, c.file+".edited"); !strings.Contains(text, c.mine) {
				t.Errorf("the copy that was kept lacks the edit:\n%s", text)
			}
			if fi, err := os.Stat(d.path(c.file + ".edited")); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("the copy: %v %v", fi, err)
			}
			eventually(t, 10*time.Second, "what regctl wrote is in use again", func() bool { return c.running() == want })
			if got := d.containerID(t, "nginx"); got != nginx {
				t.Errorf("nginx was made anew rather than told")
			}
			d.untouched(t, func() { d.must(t, "up") })
		})
	}
}

// TestOverride is the place for what a person adds by hand: it takes effect and
// lasts.
func TestOverride(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	d.write(t, "docker-compose.override.yml", "services:\n  registry:\n    labels: {note: mine}\n")
	d.must(t, "up")
	if got := d.container(t, "registry").Config.Labels["note"]; got != "mine" {
		t.Errorf("the override's label is %q", got)
	}
	d.untouched(t, func() {
		d.must(t, "up")
		d.must(t, "up", "--force")
	})
	d.write(t, "docker-compose.override.yml", "services:\n  registry:\n    nonsense: 1\n")
	d.untouched(t, func() {
		d.regctl(t, "up").want(t, 1, "docker-compose.override.yml", "nonsense")
	})
}
