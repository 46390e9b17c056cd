//go:build integration

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestACMEInANetwork has Pebble in a container of the stack's own network: it
// finds Nginx by the Engine's DNS, at port 80 as a CA would.
func TestACMEInANetwork(t *testing.T) {
	t.Parallel()
	d := planned(t, options{domain: acmeDomain, httpPort: true})
	port, management := freePort(t), freePort(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "pebble")
	build := startProcess(t, []string{"CGO_ENABLED=0"}, "", "go", "build", "-o", program, "github.com/letsencrypt/pebble/v2/cmd/pebble").wait(t)
	if build.status != 0 {
		t.Fatalf("%v", build)
	}
	trusted := pebbleFiles(t, dir)
	d.opts.initArgs = []string{"--tls", "letsencrypt", "--acme-server", fmt.Sprintf("https://127.0.0.1:%d/dir", port), "--acme-ca", filepath.Join(dir, "tls.pem"), "--email", "admin@example.com", "--agree-tos"}
	d.init(t)
	d.write(t, "docker-compose.override.yml", "services:\n  nginx:\n    networks:\n      edge:\n        aliases: ["+acmeDomain+"]\n")

	// The CA is not there at first: the stack runs, on a pair of its own.
	if r := d.regctl(t, "up"); r.status != 3 && r.status != 5 {
		t.Fatalf("%v", r)
	}
	id := strings.TrimSpace(tool(t, "docker", "run", "--detach", "--label", testLabel+"="+d.project, "--network", d.project+"_edge",
		"--publish", "127.0.0.1:"+strconv.Itoa(port)+":14000", "--publish", "127.0.0.1:"+strconv.Itoa(management)+":15000",
		"--volume", dir+":/pebble:ro", "--env", "PEBBLE_VA_NOSLEEP=1",
		"--entrypoint", "/pebble/pebble", imageNginx, "-config", "/pebble/config.json"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(try(t, "docker", "logs", id))
		}
		try(t, "docker", "rm", "--force", "--volumes", id)
	})
	var root []byte
	eventually(t, 10*time.Second, "pebble answers", func() bool {
		resp, err := trusted.Get(fmt.Sprintf("https://127.0.0.1:%d/roots/0", management))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		root, err = io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK
	})
	d.must(t, "cert", "renew", "--force")
	d.trusted = filepath.Join(dir, "root.pem")
	writeFile(t, d.trusted, string(root), 0o644)
	a := &acmeFront{front: &front{deployment: d}}
	a.fromCA(t)
	if got := d.login(t, d.user, d.password); got != http.StatusOK {
		t.Errorf("login: %d", got)
	}
}

// pebbleFiles writes what Pebble reads, and gives a client that trusts it.
func pebbleFiles(t *testing.T, dir string) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := sign(t, &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "pebble"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}, nil, key, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "tls.pem"), certificatePEM(cert), 0o644)
	writeFile(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	writeFile(t, filepath.Join(dir, "config.json"), `{"pebble": {"listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
		"certificate": "/pebble/tls.pem", "privateKey": "/pebble/tls.key", "httpPort": 80, "tlsPort": 443}}`, 0o644)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}
