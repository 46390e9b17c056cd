//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestServicesRemade takes the services behind Nginx away and makes them anew.
// Nginx has to find each again at once and without a restart: a proxy that goes
// on with the address it once knew is the commonest 502 of such a stack.
func TestServicesRemade(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			digest := d.pushRandom(t, "remade/app:1", 1)
			nginx := d.running(t)["nginx"]
			for i, c := range []struct {
				name, service string
				take          []string
			}{
				{"registry removed", "registry", d.composeCommand("rm", "--stop", "--force", "registry")},
				// As the kernel does when memory is short: its socket stays behind.
				{"registry killed", "registry", d.composeCommand("kill", "registry")},
				{"auth removed", "auth", d.composeCommand("rm", "--stop", "--force", "auth")},
				{"auth killed", "auth", d.composeCommand("kill", "auth")},
			} {
				t.Run(c.name, func(t *testing.T) {
					// Nginx remembers those who were here; this one it has to ask about.
					user := fmt.Sprintf("stranger%d", i)
					password := strings.TrimSpace(d.must(t, "user", "add", user).stdout)
					client := d.client(t)
					ask := func() answer {
						req := d.request(t, http.MethodGet, "/v2/remade/app/tags/list", nil)
						req.SetBasicAuth(user, password)
						return d.do(t, client, req)
					}
					before := d.running(t)[c.service]
					tool(t, c.take...)
					got := ask()
					if got.StatusCode/100 != 5 {
						t.Errorf("meanwhile: %s %s, want 5xx", got.Status, got.body)
					}
					if code, _ := registryError(t, got); code != "UNAVAILABLE" {
						t.Errorf("meanwhile: code %q", code)
					}
					tool(t, d.composeCommand("up", "--detach", c.service)...)
					if now := d.running(t)[c.service]; now == before {
						t.Fatalf("%s is %s as before: nothing was tried", c.service, now)
					}
					began := time.Now()
					eventually(t, 5*time.Second, "the front door answers again", func() bool {
						return ask().StatusCode == http.StatusOK
					})
					t.Logf("found after %v", time.Since(began).Round(10*time.Millisecond))
					for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
						if got := ask(); got.StatusCode != http.StatusOK {
							t.Fatalf("%v after it answered: %s %s", time.Since(began), got.Status, got.body)
						}
					}
				})
			}
			if got := d.digest(t, "remade/app:1"); got != digest {
				t.Errorf("the tag is %s, want %s", got, digest)
			}
			if got := d.running(t)["nginx"]; got != nginx {
				t.Errorf("nginx was restarted: %s, was %s", got, nginx)
			}
		})
	}
}
