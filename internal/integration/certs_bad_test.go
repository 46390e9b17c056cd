//go:build integration

package integration

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestBadCertificate puts pairs that cannot be used in the place of a good one:
// up warns and goes on with the old pair.
func TestBadCertificate(t *testing.T) {
	t.Parallel()
	own := withCertificate(t)
	later := inThreeMonths()
	good := own.ca.issue(t, "localhost", 2, later)
	other := own.ca.issue(t, "localhost", 3, later)
	for _, c := range []struct {
		name string
		pair pair
		says string
	}{
		{"key of another", pair{good.chain, other.key}, "key does not belong"},
		{"no PEM", pair{"nonsense\n", good.key}, "not PEM"},
		{"cut short", pair{good.chain[:len(good.chain)/3], good.key}, own.cert},
		{"empty", pair{"", good.key}, "is empty"},
		{"empty key", pair{good.chain, ""}, "is empty"},
		{"certificate and key swapped", pair{good.key, good.chain}, own.cert},
		{"expired", own.ca.issue(t, "localhost", 4, time.Now().Add(-time.Hour)), "expired"},
		{"another name", own.ca.issue(t, "registry.test", 5, later), `not for "localhost"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			own.put(t, c.pair)
			own.untouched(t, func() {
				r := own.must(t, "up", "--json")
				r.want(t, 0, "warning: ", own.cert, c.says, "stays in use")
				if strings.Contains(r.stderr, "PRIVATE KEY") {
					t.Errorf("a key is shown: %v", r)
				}
				var out upOutput
				r.json(t, &out)
				if out.Changed {
					t.Errorf("up: %+v", out)
				}
				own.must(t, "render")
			})
			if got := own.served(t); got != 1 {
				t.Errorf("certificate %d is served, want 1", got)
			}
		})
	}
	t.Run("files gone", func(t *testing.T) {
		for _, name := range []string{own.cert, own.key} {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		own.untouched(t, func() { own.regctl(t, "up").want(t, 0, "warning: ", own.cert, "stays in use") })
	})
	t.Run("a good one again", func(t *testing.T) {
		own.put(t, good)
		own.must(t, "up")
		if got := own.served(t); got != 2 {
			t.Errorf("certificate %d is served, want 2", got)
		}
	})
	t.Run("from nothing", func(t *testing.T) {
		// No old pair to go on with: init takes back what it wrote.
		own.put(t, pair{good.chain, other.key})
		d := planned(t, options{initArgs: []string{"--tls", "files", "--cert", own.cert, "--key", own.key}})
		d.regctl(t, d.initArgs()...).want(t, 1, own.cert, "key does not belong")
		if _, err := os.Lstat(d.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the deployment directory is left: %v", err)
		}
	})
}

// TestLocalCA is what a client sees that was given certs/ca.pem.
func TestLocalCA(t *testing.T) {
	t.Parallel()
	d := stack(t, options{domain: "registry.test"})
	dial := func(roots *x509.CertPool, name string) error {
		conn, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: roots, ServerName: name})
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	if err := dial(d.roots(t), "registry.test"); err != nil {
		t.Errorf("by the right name: %v", err)
	}
	var name x509.HostnameError
	if err := dial(d.roots(t), "other.test"); !errors.As(err, &name) {
		t.Errorf("by another name: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := dial(nil, "registry.test"); !errors.As(err, &unknown) {
		t.Errorf("without the CA: %v", err)
	}
	// What others verify with.
	r := startProcess(t, nil, "", "openssl", "s_client", "-connect", d.address(), "-servername", "registry.test",
		"-CAfile", d.ca(), "-verify_return_error", "-verify_hostname", "registry.test", "-x509_strict").wait(t)
	if r.status != 0 || !strings.Contains(r.stdout, "Verify return code: 0 (ok)") {
		t.Errorf("openssl: %v", r)
	}
	if fi, err := os.Stat(d.path("private/ca-key.pem")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the CA's key: %v %v", fi, err)
	}
	// The CA's key is nowhere where a container sees it.
	for _, service := range []string{"registry", "nginx"} {
		for _, m := range d.container(t, service).Mounts {
			if strings.HasPrefix(d.path("private"), m.Source) {
				t.Errorf("%s sees %s, which holds the CA's key", service, m.Source)
			}
		}
	}
}
