//go:build integration

package integration

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/internal/pebble"
)

// TestACMEBlocked cannot prove that the name is its own: the stack runs all the
// same, nobody asks again at once, and when the way is clear the next run issues.
func TestACMEBlocked(t *testing.T) {
	t.Parallel()
	a := acmePlanned(t, options{}, pebble.Options{})
	a.server.DNS.AddDNSARecord(a.domain+".", []string{"127.255.255.254"})
	r := a.regctl(t, "up")
	if r.status != 3 && r.status != 5 {
		t.Fatalf("%v", r)
	}
	if !strings.Contains(r.stderr, a.domain) || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("the error does not help: %v", r)
	}
	if leaf := a.leafServed(t); leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) != nil || !leaf.Equal(a.onDisk(t)) {
		t.Errorf("served is %v, which is not the pair to start with", leaf.Subject)
	}
	if n := a.server.Orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
	// Too early to try again, and a person should know.
	a.regctl(t, "cert", "renew", "-q", "--no-jitter").want(t, 3, "not now")
	if n := a.server.Orders.Load(); n != 1 {
		t.Errorf("%d orders: it asked again at once", n)
	}
	a.regctl(t, "cert", "status").want(t, 3)
	a.server.DNS.DeleteDNSARecord(a.domain + ".")
	a.must(t, "cert", "renew", "--force")
	a.fromCA(t)
	a.must(t, "cert", "status")
}

// TestACMEServerDown starts without the CA, and has its certificate later.
func TestACMEServerDown(t *testing.T) {
	t.Parallel()
	a := acmePlanned(t, options{}, pebble.Options{})
	var down atomic.Bool
	down.Store(true)
	a.server.Hook = func(*http.Request) int {
		if down.Load() {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	r := a.regctl(t, "up")
	if r.status != 3 && r.status != 5 {
		t.Fatalf("%v", r)
	}
	tool(t, "docker", "inspect", a.containerID(t, "nginx"))
	down.Store(false)
	a.must(t, "cert", "renew", "--force")
	a.fromCA(t)
}

// TestACMEStoppedMeanwhile stops Nginx between the issue and the reload: the pair
// is installed, and served as soon as Nginx is up.
func TestACMEStoppedMeanwhile(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	before := a.fromCA(t)
	id := a.containerID(t, "nginx")
	var stopped atomic.Bool
	a.server.Hook = func(r *http.Request) int {
		if strings.HasPrefix(r.URL.Path, "/certZ/") && stopped.CompareAndSwap(false, true) {
			if out := try(t, "docker", "stop", "--time", "5", id); out.status != 0 {
				t.Errorf("%v", out)
			}
		}
		return 0
	}
	a.must(t, "cert", "renew", "--force")
	if !stopped.Load() {
		t.Fatal("the certificate was fetched in another way: this tested nothing")
	}
	if now := a.onDisk(t); now.Equal(before) {
		t.Fatal("nothing was installed")
	}
	tool(t, "docker", "start", id)
	eventually(t, 10*time.Second, "nginx answers", func() bool {
		_, err := a.tryAsk(t, a.boss(), http.MethodGet, "/v2/", "")
		return err == nil
	})
	a.fromCA(t)
}

// TestACMERefusedByNginx breaks the configuration by hand: the pair before stays
// what is on disk and served.
func TestACMERefusedByNginx(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	before := a.fromCA(t)
	good := a.read(t, "nginx/nginx.conf")
	orders := a.server.Orders.Load()
	a.replace(t, "nginx/nginx.conf", "events {", "nonsense on;\nevents {")
	if r := a.regctl(t, "cert", "renew", "--force"); r.status == 0 || !strings.Contains(r.stderr, "nginx refuses") {
		t.Errorf("%v", r)
	}
	if now := a.fromCA(t); !now.Equal(before) {
		t.Error("the pair before is gone")
	}
	if n := a.server.Orders.Load(); n != orders {
		t.Errorf("%d orders for what nginx would refuse", n-orders)
	}
	a.write(t, "nginx/nginx.conf", good)
	a.must(t, "cert", "renew", "--force")
	if now := a.fromCA(t); now.Equal(before) {
		t.Error("the new pair is not served")
	}
}

// TestACMETwoAtOnce renews twice at the same time.
func TestACMETwoAtOnce(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	one := a.start(t, "", "cert", "renew", "--force")
	two := a.start(t, "", "cert", "renew", "--force")
	for _, p := range []*process{one, two} {
		if r := p.wait(t); r.status != 0 && r.status != 6 {
			t.Errorf("%v", r)
		}
	}
	a.fromCA(t)
}

// TestACMEKilled kills renewals at any moment: what is served always belongs to a
// good pair on disk, and the next run goes on.
func TestACMEKilled(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	whole := a.must(t, "cert", "renew", "--force").took
	for i := range 7 {
		p := a.start(t, "", "cert", "renew", "--force")
		time.Sleep(time.Duration(mathrand.Int64N(int64(whole))))
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		if r := a.regctl(t, "cert", "renew", "-q", "--no-jitter"); r.status != 0 {
			t.Fatalf("after kill %d: %v", i, r)
		}
		a.fromCA(t)
		a.expect(t, http.StatusOK, a.boss(), http.MethodGet, "/v2/", "")
	}
	a.must(t, "cert", "renew", "--force")
	a.fromCA(t)
	if found := a.exposed(t); len(found) > 0 {
		t.Errorf("others may read %v", found)
	}
	if left := strings.TrimSpace(tool(t, "find", a.path("acme"), "-type", "f")); left != "" {
		t.Errorf("answers to challenges are left: %s", left)
	}
}

// TestACMEAccountLost removes the account's key: no other account is made behind
// the person's back.
func TestACMEAccountLost(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	before := a.fromCA(t)
	keys := strings.Fields(tool(t, "find", a.path("private"), "-path", "*acme*", "-name", "*key*", "-type", "f"))
	if len(keys) != 1 {
		t.Fatalf("keys of accounts: %v", keys)
	}
	rename(t, keys[0], keys[0]+".away")
	r := a.regctl(t, "cert", "renew", "--force")
	if r.status == 0 || !strings.Contains(r.stderr, "account") {
		t.Errorf("%v", r)
	}
	if now := a.fromCA(t); !now.Equal(before) {
		t.Error("another certificate is served")
	}
	rename(t, keys[0]+".away", keys[0])
	a.must(t, "cert", "renew", "--force")
}

// TestACMEReadOnly cannot write a new pair.
func TestACMEReadOnly(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	before := a.fromCA(t)
	tool(t, "mount", "--bind", a.path("certs"), a.path("certs"))
	t.Cleanup(func() { try(t, "umount", a.path("certs")) })
	tool(t, "mount", "-o", "remount,bind,ro", a.path("certs"))
	if r := a.regctl(t, "cert", "renew", "--force"); r.status == 0 || !strings.Contains(r.stderr, "read-only") {
		t.Errorf("%v", r)
	}
	tool(t, "umount", a.path("certs"))
	if now := a.fromCA(t); !now.Equal(before) {
		t.Error("another certificate is served")
	}
	a.must(t, "cert", "renew", "--force")
	if now := a.fromCA(t); now.Equal(before) {
		t.Error("nothing new is served")
	}
}

// TestACMEHooks runs what the person wants run.
func TestACMEHooks(t *testing.T) {
	t.Parallel()
	out := t.TempDir() + "/deployed"
	a := acmeUp(t, options{}, pebble.Options{}, "certs:", "  hooks:",
		fmt.Sprintf("    deployed: [sh, -c, 'env | grep -i regctl >> %s']", out))
	data, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(data), a.domain) {
		t.Errorf("%q, %v", data, err)
	}
	a.replace(t, "regctl.yaml", "deployed: [sh, -c,", "deployed: [sh, -x, -c, 'exit 7',")
	before := a.fromCA(t)
	a.regctl(t, "cert", "renew", "--force").want(t, 3, "hook")
	if now := a.fromCA(t); now.Equal(before) {
		t.Error("a hook that failed undid the renewal")
	}
}

// TestACMENotLoaded has a Nginx that does not follow the signal: the pair before
// goes back to where it was, and goes on being served.
func TestACMENotLoaded(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	before := a.fromCA(t)
	id := a.containerID(t, "nginx")
	tool(t, "docker", "exec", id, "sh", "-c", "echo 999999 > /run/nginx.pid")
	if r := a.regctl(t, "cert", "renew", "--force"); r.status == 0 || !strings.Contains(r.stderr, "nginx") {
		t.Errorf("%v", r)
	}
	if now := a.fromCA(t); !now.Equal(before) {
		t.Error("the pair before is gone")
	}
	tool(t, "docker", "exec", id, "sh", "-c", "echo 1 > /run/nginx.pid")
	a.must(t, "cert", "renew", "--force")
	if now := a.fromCA(t); now.Equal(before) {
		t.Error("the new pair is not served")
	}
}
