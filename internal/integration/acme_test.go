//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/internal/pebble"
)

// TestACME is the life of a certificate on a stack that goes well.
func TestACME(t *testing.T) {
	t.Parallel()
	a := acmePlanned(t, options{}, pebble.Options{})
	a.must(t, "up")
	a.http = a.client(t)
	first := a.fromCA(t)
	a.expect(t, http.StatusOK, a.boss(), http.MethodGet, "/v2/", "")
	if n := a.server.Orders.Load(); n != 1 {
		t.Errorf("%d orders for the first certificate", n)
	}

	t.Run("nothing to do", func(t *testing.T) {
		if r := a.must(t, "cert", "renew", "-q"); r.stdout != "" || r.stderr != "" {
			t.Errorf("not silent: %v", r)
		}
		a.must(t, "up")
		if n := a.server.Orders.Load(); n != 1 {
			t.Errorf("%d orders", n)
		}
	})
	t.Run("on disk", func(t *testing.T) {
		for _, name := range []string{"fullchain", "privkey", "cert", "chain"} {
			if _, err := os.Stat(a.path("certs/live/" + a.domain + "/" + name + ".pem")); err != nil {
				t.Error(err)
			}
		}
		if target, err := os.Readlink(a.path("certs/live/" + a.domain)); err != nil || filepath.IsAbs(target) {
			t.Errorf("live is %q, %v", target, err)
		}
		if found := a.exposed(t); len(found) > 0 {
			t.Errorf("others may read the keys in %v", found)
		}
		if left := strings.TrimSpace(tool(t, "find", a.path("acme"), "-type", "f")); left != "" {
			t.Errorf("answers to challenges are left: %s", left)
		}
	})
	t.Run("status", func(t *testing.T) {
		var s certStatus
		a.must(t, "cert", "status", "--json").json(t, &s)
		if len(s.Names) != 1 || s.Names[0] != a.domain || s.KeyType != "EC P-256" || s.Serial != fmt.Sprintf("%x", first.SerialNumber.Bytes()) {
			t.Errorf("%+v", s)
		}
		if !s.NextRenewal.After(time.Now()) || s.NextRenewal.After(first.NotAfter) {
			t.Errorf("next renewal %s of one that ends %s", s.NextRenewal, first.NotAfter)
		}
	})
	t.Run("dry run changes nothing", func(t *testing.T) {
		before := treeOf(t, a.dir)
		a.must(t, "cert", "renew", "--force", "--dry-run")
		if now := treeOf(t, a.dir); now != before {
			t.Errorf("changed:\n%s\nfrom\n%s", now, before)
		}
		a.fromCA(t)
	})
	t.Run("renew", func(t *testing.T) {
		began := time.Now()
		a.must(t, "cert", "renew", "--force")
		t.Logf("served after %s", time.Since(began).Round(time.Millisecond))
		if second := a.fromCA(t); second.Equal(first) {
			t.Error("the same certificate is served")
		}
	})
	t.Run("renewal information says now", func(t *testing.T) {
		before := a.fromCA(t)
		a.suggest(t, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
		// Right after an issue a window in the past is not believed.
		a.must(t, "cert", "renew", "-q", "--no-jitter")
		if now := a.fromCA(t); !now.Equal(before) {
			t.Error("a certificate of some seconds was replaced without --force")
		}
	})
	t.Run("renewal information says now, a tenth of the life later", func(t *testing.T) {
		before := a.fromCA(t)
		var state map[string]any
		if err := json.Unmarshal([]byte(a.read(t, ".regctl/renewal.json")), &state); err != nil {
			t.Fatal(err)
		}
		state["issued"].(map[string]any)["at"] = time.Now().Add(-20 * 24 * time.Hour)
		delete(state, "window") // the CA is asked again
		data, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		a.write(t, ".regctl/renewal.json", string(data))
		var res struct {
			Reason string
			Issued bool
		}
		a.must(t, "cert", "renew", "--json", "--no-jitter").json(t, &res)
		if now := a.fromCA(t); now.Equal(before) || res.Reason != "ari" || !res.Issued {
			t.Errorf("%+v, another certificate: %v", res, !now.Equal(before))
		}
		var after struct{ Orders []struct{ Replaces bool } }
		if err := json.Unmarshal([]byte(a.read(t, ".regctl/renewal.json")), &after); err != nil {
			t.Fatal(err)
		}
		if n := len(after.Orders); n == 0 || !after.Orders[n-1].Replaces {
			t.Errorf("the order did not say what it replaces: %+v", after)
		}
	})
	t.Run("heals what is not served", func(t *testing.T) {
		before := a.fromCA(t)
		// As a signal that was lost would leave it: another pair on disk.
		link := a.path("certs/live/" + a.domain)
		target, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(filepath.Dir(target), "1")
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(other, link); err != nil {
			t.Fatal(err)
		}
		a.regctl(t, "cert", "status").want(t, 3)
		a.must(t, "cert", "renew", "-q")
		if now := a.fromCA(t); now.Equal(before) {
			t.Error("what lies on disk is not served")
		}
		a.must(t, "cert", "status")
	})
}

// suggest has the CA suggest a window for the renewal of what is on disk.
func (a *acmeFront) suggest(t *testing.T, start, end time.Time) {
	t.Helper()
	answer, err := json.Marshal(map[string]any{"suggestedWindow": map[string]time.Time{"start": start, "end": end}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.server.SetRenewalInfo([]byte(a.read(t, "certs/live/"+a.domain+"/cert.pem")), string(answer)); err != nil {
		t.Fatal(err)
	}
}

// treeOf lists a directory: names, modes, sizes, times, sums.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	return tool(t, "sh", "-c", `cd "$1" && find . ! -name lock -printf '%p %m %s %T@ %l\n' | sort && find . -type f ! -name lock -exec sha256sum {} + | sort -k 2`, "sh", dir)
}

// TestACMERenewalsLoseNothing renews ten times under load.
func TestACMERenewalsLoseNothing(t *testing.T) {
	t.Parallel()
	a := acmeUp(t, options{}, pebble.Options{})
	s := a.seedRepository(t, "load/app")
	p := a.addUser(t, "load", "--pull", "load/**", "--push", "load/**")
	l := a.underLoad(t, s, p)
	watched := make(chan []string)
	stop := make(chan struct{})
	go func() {
		var found []string
		for {
			select {
			case <-stop:
				watched <- found
				return
			default:
				found = append(found, a.exposed(t)...)
			}
		}
	}()
	seen := map[string]bool{fmt.Sprintf("%x", a.fromCA(t).SerialNumber): true}
	var took time.Duration
	for i := range 10 {
		began := time.Now()
		a.must(t, "cert", "renew", "--force")
		took += time.Since(began)
		serial := fmt.Sprintf("%x", a.fromCA(t).SerialNumber)
		if seen[serial] {
			t.Errorf("renewal %d: serial %s is served again", i, serial)
		}
		seen[serial] = true
	}
	t.Logf("%s a renewal", (took / 10).Round(time.Millisecond))
	l.end(t)
	close(stop)
	if found := <-watched; len(found) > 0 {
		t.Errorf("for an instant others could read %v", found)
	}
}
