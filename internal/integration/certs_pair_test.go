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
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA of the test's own, as a company has one.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	now := time.Now()
	a.cert = sign(t, &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "a company's CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key, a.key)
	return a
}

// pool is what clients of that company trust.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// pair is a certificate with its chain, and its key, in PEM.
type pair struct{ chain, key string }

// issue makes a pair for a name. Its serial number tells it from others.
func (a *authority) issue(t *testing.T, name string, number int64, notAfter time.Time) pair {
	t.Helper()
	key := newKey(t)
	leaf := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: notAfter.Add(-100 * 24 * time.Hour), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		chain: certificatePEM(leaf) + certificatePEM(a.cert),
		key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
}

func certificatePEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sign makes a certificate; without a parent it signs itself.
func sign(t *testing.T, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// ownCertificate is a deployment of mode files: cert.pem and key.pem lie beside
// it, as the person's own.
type ownCertificate struct {
	*deployment
	ca        *authority
	cert, key string // paths
}

// withCertificate brings a stack up that serves a pair of the test's CA, number 1.
func withCertificate(t *testing.T) ownCertificate {
	t.Helper()
	dir := t.TempDir()
	own := ownCertificate{ca: newAuthority(t), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	own.put(t, own.ca.issue(t, "localhost", 1, inThreeMonths()))
	own.deployment = stack(t, options{initArgs: []string{"--tls", "files", "--cert", own.cert, "--key", own.key}})
	return own
}

// put replaces the person's pair, the way many a script does it.
func (own ownCertificate) put(t *testing.T, p pair) {
	t.Helper()
	writeFile(t, own.cert, p.chain, 0o644)
	writeFile(t, own.key, p.key, 0o600)
}

// served is the serial number of the certificate that the front door shows; it
// has to verify.
func (own ownCertificate) served(t *testing.T) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", own.address(), &tls.Config{RootCAs: own.ca.pool(), ServerName: own.domain})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// trusted lets the harness's clients trust the test's CA: they read it where
// regctl's own would lie.
func (own ownCertificate) trusted(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(own.deployment.ca()); err == nil {
		t.Errorf("regctl made a CA of its own under tls.mode files")
	}
	own.write(t, "certs/ca.pem", certificatePEM(own.ca.cert))
}

// inThreeMonths is far enough for no one to be warned.
func inThreeMonths() time.Time { return time.Now().Add(90 * 24 * time.Hour) }
