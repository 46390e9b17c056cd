//go:build integration

package integration

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestConfigChange changes one setting after the other and looks at which
// containers are made anew, and that the new setting is in force.
func TestConfigChange(t *testing.T) {
	t.Parallel()
	d := stack(t, options{})
	// change edits, runs up and tells which services have another container.
	change := func(t *testing.T, edit func()) (anew map[string]bool) {
		t.Helper()
		before := d.running(t)
		edit()
		var out upOutput
		d.must(t, "up", "--json").json(t, &out)
		if !out.Changed || len(out.Plan) == 0 {
			t.Errorf("up after an edit: %+v", out)
		}
		anew = map[string]bool{}
		for service, id := range d.running(t) {
			anew[service] = id != before[service]
		}
		if got := d.login(t, d.user, d.password); got != http.StatusOK {
			t.Errorf("login after the change: %d", got)
		}
		return anew
	}

	t.Run("https_port", func(t *testing.T) {
		old := d.address()
		anew := change(t, func() {
			d.httpsPort = freePort(t)
			d.setConfig(t, "https_port", "", d.httpsPort)
		})
		if anew["registry"] || !anew["nginx"] {
			t.Errorf("made anew: %v, want nginx alone", anew)
		}
		if conn, err := net.DialTimeout("tcp", old, time.Second); err == nil {
			conn.Close()
			t.Errorf("the old port still answers")
		}
	})
	t.Run("registry.log_level", func(t *testing.T) {
		// Compose makes nginx anew too: it depends on the registry.
		anew := change(t, func() { d.setConfig(t, "registry", "log_level", "debug") })
		if !anew["registry"] {
			t.Errorf("made anew: %v, want the registry", anew)
		}
		logs := tool(t, "docker", "logs", d.containerID(t, "registry")) + try(t, "docker", "logs", d.containerID(t, "registry")).stderr
		if !strings.Contains(logs, `"level":"debug"`) {
			t.Errorf("the registry logs nothing at debug:\n%s", lastLines(logs, 10))
		}
	})
	t.Run("stop_grace", func(t *testing.T) {
		anew := change(t, func() { d.setConfig(t, "stop_grace", "", "17s") })
		if !anew["registry"] || !anew["nginx"] {
			t.Errorf("made anew: %v, want both", anew)
		}
		for _, service := range []string{"registry", "nginx"} {
			got := tool(t, "docker", "inspect", "--format", "{{.Config.StopTimeout}}", d.containerID(t, service))
			if strings.TrimSpace(got) != "17" {
				t.Errorf("%s is given %s seconds to stop, want 17", service, got)
			}
		}
	})
	// What Nginx alone reads, it is told to read: no container is touched.
	overwrite := func(t *testing.T) error {
		t.Helper()
		img, err := random.Image(1<<10, 1)
		if err != nil {
			t.Fatal(err)
		}
		return remote.Write(d.ref(t, "app:v1"), img, d.remote(t)...)
	}
	t.Run("immutable", func(t *testing.T) {
		d.pushRandom(t, "app:v1", 1)
		for service, made := range change(t, func() { d.setConfig(t, "immutable", "", []string{"app:v*"}) }) {
			if made {
				t.Errorf("%s was made anew", service)
			}
		}
		if err := overwrite(t); err == nil {
			t.Errorf("the tag was moved: the setting is not in force")
		}
	})
	t.Run("immutable, nginx made anew by hand", func(t *testing.T) {
		tool(t, d.composeCommand("up", "--detach", "--force-recreate", "nginx")...)
		change(t, func() { d.setConfig(t, "immutable", "", []string{}) })
		if err := overwrite(t); err != nil {
			t.Errorf("the setting taken back is still in force: %v", err)
		}
	})
	t.Run("domain", func(t *testing.T) {
		// The local CA may sign for its own names only: another domain takes another
		// CA, and regctl does not make one behind the back of those who trust the old.
		d.setConfig(t, "domain", "", "registry.test")
		d.untouched(t, func() {
			d.regctl(t, "up").want(t, 1, "registry.test", "hint: move "+d.ca(), "give the new ca.pem to every client")
		})
		anew := change(t, func() {
			for _, name := range []string{d.ca(), d.path("private/ca-key.pem")} {
				if err := os.Rename(name, name+".old"); err != nil {
					t.Fatal(err)
				}
			}
			d.domain = "registry.test"
			// The CA that the client of `change` trusts is the new one by then.
		})
		if anew["registry"] || !anew["auth"] { // whose realm is the domain
			t.Errorf("made anew: %v, want auth, and not the registry", anew)
		}
		if status := d.status(t, 0); !status.Certificate.Same {
			t.Errorf("status: %+v", status.Certificate)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		d.untouched(t, func() {
			var out upOutput
			d.must(t, "up", "--json").json(t, &out)
			if out.Changed {
				t.Errorf("up without an edit: %+v", out)
			}
		})
	})
}
