//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/internal/pebble"
)

// acmeDomain is the name that the tests' certificates are for; only the CA's own
// DNS knows it.
const acmeDomain = "registry.example.test"

// acmeFront is a stack whose certificate comes from an ACME server.
type acmeFront struct {
	*front
	server *pebble.Server
}

// acmePlanned is an initialised deployment that was never started, and its CA.
// Lines are added to regctl.yaml; o.Hook may be set on the server before `up`.
func acmePlanned(t *testing.T, o options, so pebble.Options, lines ...string) *acmeFront {
	t.Helper()
	o.httpPort = true
	if o.domain == "" {
		o.domain = acmeDomain
	}
	d := planned(t, o)
	so.HTTPPort = d.httpPort
	so.Log = pebbleLog{t}
	server, err := pebble.Start(t.TempDir(), so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	d.opts.initArgs = append(d.opts.initArgs, "--tls", "letsencrypt", "--acme-server", server.URL, "--acme-ca", server.CAFile, "--email", "admin@example.com", "--agree-tos")
	d.init(t)
	d.write(t, "regctl.yaml", d.read(t, "regctl.yaml")+strings.Join(lines, "\n")+"\n")
	root, err := server.Root()
	if err != nil {
		t.Fatal(err)
	}
	d.trusted = filepath.Join(t.TempDir(), "root.pem")
	writeFile(t, d.trusted, string(root), 0o644)
	return &acmeFront{&front{deployment: d}, server}
}

// acmeUp is acmePlanned that is up, with a certificate of its CA.
func acmeUp(t *testing.T, o options, so pebble.Options, lines ...string) *acmeFront {
	t.Helper()
	a := acmePlanned(t, o, so, lines...)
	a.must(t, "up")
	a.http = a.client(t)
	return a
}

// pebbleLog gives what Pebble says to a test that fails.
type pebbleLog struct{ t *testing.T }

func (l pebbleLog) Write(p []byte) (int, error) {
	l.t.Log("pebble: " + strings.TrimSpace(string(p)))
	return len(p), nil
}

// leafServed is the leaf that a new connection gets, whoever signed it.
func (d *deployment) leafServed(t *testing.T) *x509.Certificate {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: d.domain, InsecureSkipVerify: true}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", d.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// onDisk is the leaf that is to be served.
func (d *deployment) onDisk(t *testing.T) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(d.read(t, "certs/live/"+d.domain+"/fullchain.pem")))
	if block == nil {
		t.Fatal("no certificate on disk")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// fromCA makes sure that what is served comes from the CA and is what lies on disk.
func (a *acmeFront) fromCA(t *testing.T) *x509.Certificate {
	t.Helper()
	leaf := a.leafServed(t)
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: a.domain, Roots: a.roots(t), Intermediates: a.intermediates(t)}); err != nil {
		t.Fatalf("the certificate served: %v", err)
	}
	if disk := a.onDisk(t); !disk.Equal(leaf) {
		t.Fatalf("serial %x is served, %x on disk", leaf.SerialNumber, disk.SerialNumber)
	}
	return leaf
}

func (a *acmeFront) intermediates(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(a.read(t, "certs/live/"+a.domain+"/chain.pem")))
	return pool
}

// certStatus is what `cert status --json` is asked for.
type certStatus struct {
	Names       []string  `json:"names"`
	Serial      string    `json:"serial"`
	NotAfter    time.Time `json:"not_after"`
	DaysLeft    int       `json:"days_left"`
	KeyType     string    `json:"key_type"`
	NextRenewal time.Time `json:"next_renewal"`
}

// exposed finds files with a private key in them that others than the owner may
// read.
func (d *deployment) exposed(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{"certs", "private", ".regctl"} {
		err := filepath.WalkDir(d.path(dir), func(path string, e os.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // what goes away meanwhile is nobody's to read
			}
			fi, err := os.Stat(path)
			if err != nil || fi.Mode().Perm()&0o077 == 0 {
				return nil
			}
			data, _ := os.ReadFile(path)
			if strings.Contains(string(data), "PRIVATE KEY") {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}
