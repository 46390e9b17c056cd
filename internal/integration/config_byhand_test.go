//go:build integration

package integration

import (
	"net/http"
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
	reload := func() { tool(t, "docker", "kill", "--signal", "HUP", d.containerID(t, "nginx")) }
	for _, c := range []struct {
		file, old, mine string
		running         func() string
	}{
		{"nginx/nginx.conf", "max-age=63072000", "max-age=1", hsts},
		{"nginx/settings.json", `"localhost"`, `"hand"`, realm},
	} {
		t.Run(c.file, func(t *testing.T) {
			want := c.running()
			d.replace(t, c.file, c.old, c.mine)
			reload()
			mine := strings.Trim(c.mine, `"`)
			eventually(t, 10*time.Second, "the edited file is in use", func() bool { return strings.Contains(c.running(), mine) })
			before := d.running(t)
			d.forced(t, c.file, c.mine)
			eventually(t, 10*time.Second, "what regctl wrote is in use again", func() bool { return c.running() == want })
			sameMap(t, "containers", before, d.running(t))
			d.untouched(t, func() { d.must(t, "up") })
		})
	}
	for _, c := range []struct{ service, file, old, mine string }{
		{"registry", "registry/config.yml", "level: warn", "level: debug"},
		{"auth", "registry/auth.yml", "level: error", "level: debug"},
	} {
		t.Run(c.file, func(t *testing.T) {
			d.replace(t, c.file, c.old, c.mine)
			tool(t, d.composeCommand("restart", c.service)...)
			before := d.running(t)
			d.forced(t, c.file, c.mine)
			for service, now := range d.running(t) {
				switch id, _, _ := strings.Cut(now, " "); {
				case !strings.HasPrefix(before[service], id):
					t.Errorf("%s was made anew", service)
				case (before[service] != now) != (service == c.service):
					t.Errorf("%s was %s, is %s; only %s has to be restarted", service, before[service], now, c.service)
				}
			}
			d.untouched(t, func() { d.must(t, "up") })
		})
	}
}

// forced has an edited file refused, and then replaced by --force.
func (d *deployment) forced(t *testing.T, file, mine string) {
	t.Helper()
	d.untouched(t, func() {
		d.regctl(t, "up").want(t, 1, file, "edited", "regctl diff", "--force")
		d.regctl(t, "render").want(t, 1, file)
		if r := d.regctl(t, "diff"); r.status != 3 || !strings.Contains(r.stdout, "edited by hand") {
			t.Errorf("%v", r)
		}
	})
	d.must(t, "up", "--force")
	if text := d.read(t, file); strings.Contains(text, mine) {
		t.Errorf("%s still has the edit", file)
	}
	if text := d.read(t, file+".edited"); !strings.Contains(text, mine) {
		t.Errorf("the copy that was kept lacks the edit:\n%s", text)
	}
	if fi, err := os.Stat(d.path(file + ".edited")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v %v", fi, err)
	}
	if got := d.login(t, d.user, d.password); got != http.StatusOK {
		t.Errorf("login: %d", got)
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
