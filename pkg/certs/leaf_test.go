package certs

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLeafAsOpenSSLSeesIt(t *testing.T) {
	inter := mintCA(t, minted{}, "Test Intermediate")
	m := mint(t, inter, nil, func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"reg.example.com", "*.lan"}, []net.IP{net.ParseIP("192.0.2.7"), net.ParseIP("2001:db8::7")}
	})
	l := leafOf(m.cert)
	value := func(args ...string) string {
		out := mustOpenSSL(t, m.pem(), append([]string{"x509", "-noout"}, args...)...)
		_, v, _ := strings.Cut(strings.TrimSpace(out), "=")
		return strings.ToLower(strings.ReplaceAll(v, ":", ""))
	}
	if want := value("-serial"); l.Serial != want {
		t.Errorf("serial %s, openssl says %s", l.Serial, want)
	}
	if want := value("-fingerprint", "-sha256"); l.Fingerprint != want {
		t.Errorf("fingerprint %s, openssl says %s", l.Fingerprint, want)
	}
	if want := []string{"reg.example.com", "*.lan", "192.0.2.7", "2001:db8::7"}; !slices.Equal(l.Names, want) {
		t.Errorf("names %q, want %q", l.Names, want)
	}
	if l.Subject != "CN=reg.example.com" || l.Issuer != "CN=Test Intermediate" {
		t.Errorf("subject %q, issuer %q", l.Subject, l.Issuer)
	}
	if !l.NotBefore.Equal(m.cert.NotBefore) || !l.NotAfter.Equal(m.cert.NotAfter) {
		t.Errorf("from %s to %s", l.NotBefore, l.NotAfter)
	}
	if l.SelfSigned || !leafOf(inter.cert).SelfSigned {
		t.Error("who signed itself is mixed up")
	}
}

func TestLeafKeyType(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, m := range map[string]minted{
		"EC P-256": mint(t, minted{}, ecKey(t, elliptic.P256()), nil),
		"EC P-384": mint(t, minted{}, ecKey(t, elliptic.P384()), nil),
		"RSA 2048": mint(t, minted{}, rsaKey(t, 2048), nil),
		"Ed25519":  mint(t, minted{}, ed, nil),
	} {
		if l := leafOf(m.cert); l.KeyType != want || !l.SelfSigned {
			t.Errorf("%q, self-signed %t; want %q, true", l.KeyType, l.SelfSigned, want)
		}
	}
}

func TestDaysLeft(t *testing.T) {
	for _, tt := range []struct {
		left time.Duration
		want int
	}{
		{90 * 24 * time.Hour, 90}, {48*time.Hour - time.Second, 1}, {24 * time.Hour, 1},
		{24*time.Hour - time.Second, 0}, {0, 0}, {-time.Second, -1}, {-24 * time.Hour, -1}, {-25 * time.Hour, -2},
	} {
		if got := (Leaf{NotAfter: now.Add(tt.left)}).DaysLeft(now); got != tt.want {
			t.Errorf("%s left: %d days, want %d", tt.left, got, tt.want)
		}
	}
}

// A server that is asked what it serves may be anybody's.
func TestLeafTextsDoNotCommandTheTerminal(t *testing.T) {
	m := mint(t, minted{}, nil, func(c *x509.Certificate) {
		c.Subject.CommonName = "a\x1b[2Jb"
		c.DNSNames = []string{"x\x1b[31m\n.example"}
	})
	l := leafOf(m.cert)
	for _, s := range append(l.Names, l.Subject, l.Issuer, title(m.cert), issuerTitle(m.cert)) {
		if strings.ContainsAny(s, "\x1b\n") {
			t.Errorf("%q", s)
		}
	}
	if l.Subject != "CN=a\uFFFD[2Jb" {
		t.Errorf("subject %q", l.Subject)
	}
}
