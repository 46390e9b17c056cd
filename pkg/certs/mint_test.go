package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// now is the instant of every test that does not move it.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// minted is a certificate with its key.
type minted struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (m minted) pem() string { return string(encodeCertificate(m.cert.Raw)) }

func (m minted) keyPEM(t testing.TB) string {
	t.Helper()
	data, err := encodeKey(m.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// mint makes a certificate signed by parent, or by itself when that is zero.
// What edit leaves alone is a good leaf for reg.example.com.
func mint(t testing.TB, parent minted, key crypto.Signer, edit func(*x509.Certificate)) minted {
	t.Helper()
	if key == nil {
		key = ecKey(t, elliptic.P256())
	}
	c := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "reg.example.com"},
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.Add(60 * 24 * time.Hour),
		DNSNames:              []string{"reg.example.com"},
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if edit != nil {
		edit(c)
	}
	signer, by := parent.cert, parent.key
	if signer == nil {
		signer, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, signer, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return minted{cert, key}
}

func mintCA(t testing.TB, parent minted, name string) minted {
	t.Helper()
	return mint(t, parent, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.IsCA = name, nil, true
		c.KeyUsage = x509.KeyUsageCertSign
	})
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// goodPair is a leaf for name with its intermediate.
func goodPair(t testing.TB, name string) Pair {
	t.Helper()
	inter := mintCA(t, mintCA(t, minted{}, "Test Root"), "Test Intermediate")
	leaf := mint(t, inter, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = name, []string{name}
	})
	return Pair{Fullchain: []byte(leaf.pem() + inter.pem()), Key: []byte(leaf.keyPEM(t))}
}

// tree lists everything below dir, with what links point to, sorted.
func tree(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			rel += " -> " + target
		} else if d.IsDir() {
			rel += "/"
		}
		all = append(all, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func noTemp(t testing.TB, dir string) {
	t.Helper()
	for _, p := range tree(t, dir) {
		if strings.Contains(p, durable.TempPrefix) {
			t.Errorf("left behind: %s", p)
		}
	}
}

// mustInstall installs p and fails the test unless that changed as much.
func mustInstall(t testing.TB, s Store, name string, p Pair, want bool) {
	t.Helper()
	changed, err := s.Install(name, p)
	if err != nil {
		t.Fatal(err)
	}
	if changed != want {
		t.Fatalf("Install changed = %t, want %t", changed, want)
	}
}

// caReason is the reason of a *CAError in err, "" when there is none.
func caReason(err error) CAReason {
	var e *CAError
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
