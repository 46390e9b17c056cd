//go:build integration

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// resolverValid is how long Nginx may go on with an address that it looked up
// (resolver … valid=5s in nginx.conf), and a second for the registry to start.
const resolverValid = 6 * time.Second

// TestRegistryMoves makes the registry's container anew while another one has
// taken its address. Nginx has to find it: a name that is looked up once, at the
// start, is the commonest 502 of such a stack.
func TestRegistryMoves(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			digest := d.pushRandom(t, "moves/app:1", 1)
			nginx := d.running(t)["nginx"]
			old := d.registryAddress(t)

			tool(t, d.composeCommand("rm", "--stop", "--force", "registry")...)
			if got := d.get(t, "/v2/"); got.StatusCode/100 != 5 || !strings.Contains(got.body, `"code":"UNAVAILABLE"`) {
				t.Errorf("without a registry: %s %s, want 5xx in the registry's form", got.Status, got.body)
			}
			d.occupy(t, old)
			tool(t, d.composeCommand("up", "--detach", "registry")...)
			began := time.Now()
			now := d.registryAddress(t)
			if now == old {
				t.Fatalf("the registry has %s again: nothing was tried", now)
			}
			eventually(t, resolverValid, "the front door finds the registry at "+now, func() bool {
				return d.get(t, "/v2/").StatusCode == http.StatusOK
			})
			t.Logf("from %s to %s: found after %v", old, now, time.Since(began).Round(10*time.Millisecond))
			// From then on there is not one failure, also past the next look-up.
			c := d.client(t)
			for end := time.Now().Add(resolverValid); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
				if got := d.do(t, c, d.request(t, http.MethodGet, "/v2/", nil)); got.StatusCode != http.StatusOK {
					t.Fatalf("%v after it was found: %s %s", time.Since(began), got.Status, got.body)
				}
			}
			if got := d.digest(t, "moves/app:1"); got != digest {
				t.Errorf("the tag is %s, want %s", got, digest)
			}
			if got := d.running(t)["nginx"]; got != nginx {
				t.Errorf("nginx was restarted: %s, was %s", got, nginx)
			}
		})
	}
}

// registryAddress is where Nginx reaches the registry.
func (d *deployment) registryAddress(t *testing.T) string {
	t.Helper()
	networks := d.container(t, "registry").NetworkSettings.Networks
	address := networks[d.project+"_internal"].IPAddress
	if len(networks) != 1 || address == "" {
		t.Fatalf("the registry is on %v, want the internal network alone", networks)
	}
	return address
}

// occupy starts containers on the internal network until one has that address.
func (d *deployment) occupy(t *testing.T, address string) {
	t.Helper()
	for range 8 {
		id := strings.TrimSpace(tool(t, "docker", "run", "--detach", "--label", testLabel+"="+d.project,
			"--network", d.project+"_internal", "--entrypoint", "sleep", imageNginx, "600"))
		for _, n := range inspect(t, id).NetworkSettings.Networks {
			if n.IPAddress == address {
				return
			}
		}
	}
	t.Fatalf("no container got %s", address)
}
