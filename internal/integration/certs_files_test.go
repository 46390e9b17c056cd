//go:build integration

package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestOwnCertificate serves a person's own pair. A new one is served after the
// next up, by the same containers, and what is under way goes on.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	own := withCertificate(t)
	own.trusted(t)
	if got := own.served(t); got != 1 {
		t.Fatalf("certificate %d is served, want 1", got)
	}
	if fi, err := os.Stat(own.path("certs/live/localhost/privkey.pem")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key that was taken over: %v %v", fi, err)
	}

	t.Run("a new pair", func(t *testing.T) {
		// An upload of which the first part has arrived, and the rest not yet.
		u := own.beginUpload(t, "certs/app")
		body, rest := io.Pipe()
		arrived := make(chan error, 1)
		go func() {
			a, err := u.patch(t, body)
			if err == nil {
				if a.StatusCode != http.StatusAccepted {
					err = fmt.Errorf("%s %s", a.Status, a.body)
				}
				u.location = a.Header.Get("Location")
			}
			arrived <- err
		}()
		if _, err := io.WriteString(rest, "before, "); err != nil {
			t.Fatal(err)
		}
		own.uploadArrives(t, "certs/app")

		before := own.running(t)
		own.put(t, own.ca.issue(t, "localhost", 2, inThreeMonths()))
		var out upOutput
		own.must(t, "up", "--json").json(t, &out)
		if !out.Changed || !strings.Contains(strings.Join(out.Plan, "\n"), own.cert) {
			t.Errorf("up with a new pair: %+v", out)
		}
		// At once: up has looked.
		if got := own.served(t); got != 2 {
			t.Errorf("certificate %d is served, want 2", got)
		}
		sameMap(t, "containers", before, own.running(t))

		if _, err := io.WriteString(rest, "after"); err != nil {
			t.Fatalf("the upload under way was cut: %v", err)
		}
		rest.Close()
		if err := <-arrived; err != nil {
			t.Fatalf("the upload under way: %v", err)
		}
		if !strings.HasPrefix(u.location, "https://") {
			u.location = own.url(u.location)
		}
		u.finish(t, []byte("before, after"))
	})

	t.Run("nothing new", func(t *testing.T) {
		own.untouched(t, func() {
			var out upOutput
			own.must(t, "up", "--json").json(t, &out)
			if out.Changed {
				t.Errorf("up with the same pair: %+v", out)
			}
		})
	})
	t.Run("a container that Compose made anew meanwhile", func(t *testing.T) {
		tool(t, own.composeCommand("up", "--detach", "--force-recreate", "nginx")...)
		own.put(t, own.ca.issue(t, "localhost", 3, inThreeMonths()))
		own.must(t, "up")
		if got := own.served(t); got != 3 {
			t.Errorf("certificate %d is served, want 3", got)
		}
	})
	t.Run("a reload that got lost", func(t *testing.T) {
		// The record says 5, the disk has 5, and Nginx has 4.
		four := own.ca.issue(t, "localhost", 4, inThreeMonths())
		five := own.ca.issue(t, "localhost", 5, inThreeMonths())
		own.put(t, five)
		own.must(t, "up")
		record := own.read(t, ".regctl/up.json")
		own.put(t, four)
		own.must(t, "up")
		own.put(t, five)
		own.must(t, "render")
		own.write(t, ".regctl/up.json", record)
		if got := own.served(t); got != 4 {
			t.Fatalf("set-up: certificate %d is served, want 4", got)
		}
		if s := own.status(t, 3); s.Certificate.Same || !strings.Contains(strings.Join(s.Problems, "\n"), "regctl up") {
			t.Errorf("status: %+v", s)
		}
		var out upOutput
		own.must(t, "up", "--json").json(t, &out)
		if !out.Changed {
			t.Errorf("up with an old certificate served: %+v", out)
		}
		if got := own.served(t); got != 5 {
			t.Errorf("certificate %d is served, want 5", got)
		}
		own.status(t, 0)
	})
}
