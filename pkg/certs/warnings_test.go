package certs

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCheckWarnings(t *testing.T) {
	root := mintCA(t, minted{}, "Test Root")
	inter := mintCA(t, root, "Test Intermediate")
	other := mintCA(t, root, "Other Intermediate")
	leaf := mint(t, inter, nil, nil)
	key := leaf.keyPEM(t)
	self := mint(t, minted{}, nil, nil)
	oldRoot := mint(t, minted{}, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.NotAfter = "Old Root", true, now.Add(-time.Hour)
	})
	underOld := mintCA(t, oldRoot, "Cross-signed")
	crossed := mint(t, underOld, nil, nil)

	tests := []struct {
		name, cert, key string
		kind            Kind
		message         string
	}{
		{"leaf alone", leaf.pem(), key, NoIntermediate,
			`the certificate comes alone: unless clients trust its issuer "Test Intermediate" directly, they will refuse it; append the issuer's certificate`},
		{"stray", leaf.pem() + inter.pem() + other.pem(), key, StrayInChain,
			`certificate 3 of the chain, "Other Intermediate", signed none of the others`},
		{"key in certificate", leaf.pem() + inter.pem() + key, key, KeyInCert,
			"the certificate's file also holds a private key: whoever may read the certificate has the key"},
		{"self-signed", self.pem(), self.keyPEM(t), SelfSignedLeaf,
			"the certificate is signed by itself: every client must be given this very certificate"},
		{"root expired", crossed.pem() + underOld.pem() + oldRoot.pem(), crossed.keyPEM(t), ChainNotCurrent,
			`the issuer's certificate "Old Root" expired on 2026-11-24`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := Pair{[]byte(tt.cert), []byte(tt.key)}.Check([]string{"reg.example.com"}, now)
			if err := report.Err(); err != nil {
				t.Errorf("a warning became a fault: %v", err)
			}
			if len(report.Warnings) != 1 || report.Warnings[0] != (Problem{tt.kind, tt.message, ""}) {
				t.Errorf("warnings %q, want %q", report.Warnings, tt.message)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if r := (Pair{[]byte(leaf.pem() + inter.pem()), []byte(key)}).Check(nil, now); len(r.Warnings)+len(r.Faults) != 0 {
			t.Errorf("%q %q", r.Faults, r.Warnings)
		}
	})
}

// What is printed by accident must not show a key.
func TestPrintingHidesKeys(t *testing.T) {
	p := goodPair(t, "reg.example.com")
	plan, err := newLocalCA(t).Plan([]string{"localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{p, &p, plan, *plan} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, "PRIVATE") || strings.Contains(out, "80, 82, 73") || strings.Contains(out, "80 82 73") || len(out) > 300 {
				t.Errorf("%s of %T shows %.60q", verb, v, out)
			}
		}
	}
}

// No text may make it panic, and what it takes the store can take.
func FuzzCheck(f *testing.F) {
	good := goodPair(f, "reg.example.com")
	f.Add(good.Fullchain, good.Key)
	f.Add(good.Key, good.Fullchain)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		p := Pair{cert, key}
		if p.Check([]string{"reg.example.com"}, now).Err() != nil {
			return
		}
		m, _ := p.examine()
		again := m.pair().Check([]string{"reg.example.com"}, now)
		if err := again.Err(); err != nil {
			t.Errorf("rewritten, a good pair is bad: %v", err)
		}
	})
}
