package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

func TestCheckFaults(t *testing.T) {
	root := mintCA(t, minted{}, "Test Root")
	inter := mintCA(t, root, "Test Intermediate")
	other := mintCA(t, root, "Other Intermediate")
	leaf := mint(t, inter, nil, nil)
	key := leaf.keyPEM(t)
	chain := leaf.pem() + inter.pem()
	plainKey, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(edit func(*x509.Certificate)) minted { return mint(t, inter, nil, edit) }
	with := func(m minted) (string, string) { return m.pem() + inter.pem(), m.keyPEM(t) }

	type fault struct {
		kind    Kind
		message string
	}
	tests := []struct {
		name   string
		pair   func(t *testing.T) (cert, key string)
		names  []string
		now    time.Time
		want   []fault
		advice string
	}{
		{name: "good", pair: func(t *testing.T) (string, string) { return chain, key }},
		{name: "root included", pair: func(t *testing.T) (string, string) { return chain + root.pem(), key }},
		{name: "windows", pair: func(t *testing.T) (string, string) {
			return "\xef\xbb\xbf" + strings.ReplaceAll(chain, "\n", "\r\n"), strings.ReplaceAll(key, "\n", "\r\n")
		}},
		{name: "text before the blocks", pair: func(t *testing.T) (string, string) {
			return "Certificate:\n    Data:\n" + chain, "Bag Attributes\n" + key
		}},
		{name: "ec parameters before the key", pair: func(t *testing.T) (string, string) {
			return chain, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1(t, leaf)
		}},
		{
			name: "nothing", pair: func(t *testing.T) (string, string) { return "", "\n" },
			want: []fault{{NoCertificate, "no certificate: it is empty"}, {NoKey, "no private key: it is empty"}},
		},
		{
			name: "other key", pair: func(t *testing.T) (string, string) { return chain, other.keyPEM(t) },
			want: []fault{{KeyMismatch, `the key does not belong to the certificate "reg.example.com"`}},
		},
		{
			name: "swapped", pair: func(t *testing.T) (string, string) { return key, chain },
			want:   []fault{{Swapped, "certificate and key are swapped: the certificate's place holds a key"}},
			advice: "give them the other way round",
		},
		{
			name: "certificate twice", pair: func(t *testing.T) (string, string) { return chain, chain },
			want: []fault{{NoKey, "no private key: there is only a certificate"}},
		},
		{
			name: "key twice", pair: func(t *testing.T) (string, string) { return key, key },
			want: []fault{{NoCertificate, "no certificate: there is only a private key"}},
		},
		{
			name: "two keys", pair: func(t *testing.T) (string, string) { return chain, key + other.keyPEM(t) },
			want: []fault{{ManyKeys, "there are 2 private keys instead of one"}},
		},
		{
			name: "request", pair: func(t *testing.T) (string, string) {
				return "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", key
			},
			want: []fault{{NoCertificate, `no certificate: there is a PEM block of type "CERTIFICATE REQUEST"`}},
		},
		{
			name: "public key", pair: func(t *testing.T) (string, string) {
				return chain, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
			},
			want: []fault{{NoKey, `no private key: there is a PEM block of type "PUBLIC KEY"`}},
		},
		{
			name: "der certificate", pair: func(t *testing.T) (string, string) { return string(leaf.cert.Raw), key },
			want:   []fault{{NotPEM, "the certificate is DER, not PEM"}},
			advice: "openssl x509 -inform der -in FILE -out cert.pem",
		},
		{
			name: "der key", pair: func(t *testing.T) (string, string) { return chain, string(plainKey) },
			want:   []fault{{NotPEM, "the key is DER, not PEM"}},
			advice: "(umask 077; openssl pkey -inform der -in FILE -out key.pem)",
		},
		{
			name: "pkcs12", pair: func(t *testing.T) (string, string) { p := pkcs12(t, leaf); return p, p },
			want: []fault{
				{NotPEM, "the certificate is a PKCS#12 archive, not PEM"},
				{NotPEM, "the key is a PKCS#12 archive, not PEM"},
			},
			advice: "openssl pkcs12 -in FILE -nokeys -out cert.pem",
		},
		{
			name: "junk", pair: func(t *testing.T) (string, string) { return "hello", "\x00\x01" },
			want: []fault{{NotPEM, "the certificate is not PEM"}, {NotPEM, "the key is not PEM"}},
		},
		{
			name: "encrypted key", pair: func(t *testing.T) (string, string) { return chain, encrypted(t, key) },
			want:   []fault{{EncryptedKey, "the key is encrypted: Nginx cannot ask for its passphrase"}},
			advice: "(umask 077; openssl pkey -in FILE -out key.pem)",
		},
		{
			name: "encrypted key, old form", pair: func(t *testing.T) (string, string) {
				return chain, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
			},
			want:   []fault{{EncryptedKey, "the key is encrypted: Nginx cannot ask for its passphrase"}},
			advice: "(umask 077; openssl pkey -in FILE -out key.pem)",
		},
		{
			name: "ssh key", pair: func(t *testing.T) (string, string) {
				return chain, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
			},
			want: []fault{{UnsupportedKey, `the key cannot be used: its form, "OPENSSH PRIVATE KEY", is not one that Nginx reads`}},
		},
		{
			name: "issuer cut short", pair: func(t *testing.T) (string, string) { return chain[:len(chain)-60], key },
			want: []fault{{BrokenPEM, "the certificate has a PEM block that is cut short or damaged"}},
		},
		{
			name: "key cut short", pair: func(t *testing.T) (string, string) { return chain, key[:len(key)-40] },
			want: []fault{{BrokenPEM, "the key has a PEM block that is cut short or damaged"}},
		},
		{
			name: "certificate damaged inside", pair: func(t *testing.T) (string, string) {
				return string(encodeCertificate(leaf.cert.Raw[:100])) + inter.pem(), key
			},
			want: []fault{{BrokenPEM, "certificate 1 cannot be read: x509: malformed certificate"}},
		},
		{
			name: "bundle", pair: func(t *testing.T) (string, string) { return chain + strings.Repeat(root.pem(), 20), key },
			want: []fault{{ChainLong, "the certificate comes with 21 others: that is a bundle of CAs, not a chain"}},
		},
		{
			name: "leaf last", pair: func(t *testing.T) (string, string) { return root.pem() + inter.pem() + leaf.pem(), key },
			want: []fault{{ChainOrder, `the chain is in the wrong order: it must be "reg.example.com" (now 3), "Test Intermediate" (now 2), "Test Root" (now 1)`}},
		},
		{
			name: "issuers swapped", pair: func(t *testing.T) (string, string) { return leaf.pem() + root.pem() + inter.pem(), key },
			want: []fault{{ChainOrder, `the chain is in the wrong order: it must be "reg.example.com" (now 1), "Test Intermediate" (now 3), "Test Root" (now 2)`}},
		},
		{
			name: "leaf twice", pair: func(t *testing.T) (string, string) { return leaf.pem() + chain, key },
			want: []fault{{ChainOrder, `certificate 2 of the chain, "reg.example.com", is certificate 1 again`}},
		},
		{
			name: "issuer of an earlier certificate", pair: func(t *testing.T) (string, string) { return leaf.pem() + other.pem(), key },
			want: []fault{{ChainBroken, `"reg.example.com" was issued by "Test Intermediate", but no certificate that comes with it is that issuer's`}},
		},
		{
			name: "name", names: []string{"reg.example.com", "other.example.com", "192.0.2.7"},
			pair: func(t *testing.T) (string, string) { return chain, key },
			want: []fault{{NameNotCovered, `the certificate is not for "other.example.com", "192.0.2.7": it is for reg.example.com`}},
		},
		{
			name: "wildcard", names: []string{"a.example.com", "a.b.example.com", "example.com"},
			pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }))
			},
			want: []fault{{NameNotCovered, `the certificate is not for "a.b.example.com", "example.com": it is for *.example.com`}},
		},
		{
			name: "addresses", names: []string{"192.0.2.7", "2001:db8::7", "2001:db8:0::8"},
			pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) {
					c.DNSNames, c.IPAddresses = nil, []net.IP{net.ParseIP("192.0.2.7"), net.ParseIP("2001:db8::7")}
				}))
			},
			want: []fault{{NameNotCovered, `the certificate is not for "2001:db8:0::8": it is for 192.0.2.7, 2001:db8::7`}},
		},
		{
			name: "common name only", pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) { c.DNSNames = nil }))
			},
			want: []fault{{NameNotCovered, `the certificate has no subject alternative name, so clients refuse it for "reg.example.com" (they ignore its common name)`}},
		},
		{
			name: "expired", pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }))
			},
			want: []fault{{Expired, `the certificate "reg.example.com" expired on 2026-11-24`}},
		},
		{
			name: "not yet valid", pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }))
			},
			want:   []fault{{NotYetValid, `the certificate "reg.example.com" is not valid before 2026-11-24T12:00:01Z`}},
			advice: "compare the clock of this machine",
		},
		{
			name: "issuer expired", pair: func(t *testing.T) (string, string) {
				old := mint(t, root, nil, func(c *x509.Certificate) {
					c.Subject.CommonName, c.IsCA, c.NotAfter = "Old", true, now.Add(-time.Hour)
				})
				l := mint(t, old, nil, nil)
				return l.pem() + old.pem(), l.keyPEM(t)
			},
			want: []fault{{IssuerExpired, `the issuer's certificate "Old" expired on 2026-11-24`}},
		},
		{
			name: "small rsa", pair: func(t *testing.T) (string, string) { return with(mint(t, inter, rsaKey(t, 1024), nil)) },
			want: []fault{{WeakKey, `the certificate "reg.example.com" has an RSA key of 1024 bits: 2048 are the least`}},
		},
		{name: "rsa of 2048", pair: func(t *testing.T) (string, string) { return with(mint(t, inter, rsaKey(t, 2048), nil)) }},
		{
			name: "p-224", pair: func(t *testing.T) (string, string) { return with(mint(t, inter, ecKey(t, elliptic.P224()), nil)) },
			want: []fault{{UnsupportedKey, `the certificate "reg.example.com" has a key on P-224: clients take P-256, P-384 and P-521`}},
		},
		{
			name: "sha-1", now: time.Now().Add(time.Hour), // openssl begins it at the real time
			pair: func(t *testing.T) (string, string) { return sha1Pair(t) },
			want: []fault{{WeakSignature, `the certificate "reg.example.com" is signed with SHA1-RSA, which clients refuse`}},
		},
		{
			name: "for clients", pair: func(t *testing.T) (string, string) {
				return with(edited(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }))
			},
			want: []fault{{NotForServers, `the certificate "reg.example.com" is not for servers: its extended key usage lacks serverAuth`}},
		},
		{
			name: "everything at once", names: []string{"x.example.com"},
			pair: func(t *testing.T) (string, string) {
				m := edited(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
				return inter.pem() + m.pem(), key
			},
			want: []fault{
				{KeyMismatch, `the key does not belong to the certificate "reg.example.com"`},
				{ChainOrder, `the chain is in the wrong order: it must be "reg.example.com" (now 2), "Test Intermediate" (now 1)`},
				{NameNotCovered, `the certificate is not for "x.example.com": it is for reg.example.com`},
				{Expired, `the certificate "reg.example.com" expired on 2026-11-24`},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert, key := tt.pair(t)
			names := tt.names
			if names == nil {
				names = []string{"reg.example.com"}
			}
			at := tt.now
			if at.IsZero() {
				at = now
			}
			report := Pair{[]byte(cert), []byte(key)}.Check(names, at)
			var got []fault
			var messages []string
			for _, f := range report.Faults {
				got = append(got, fault{f.Kind, f.Message})
				messages = append(messages, f.Message)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("faults:\n %q\nwant:\n %q", got, tt.want)
			}
			err := report.Err()
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("Err() = %v with %d faults", err, len(tt.want))
			}
			if err == nil {
				return
			}
			var invalid *InvalidError
			if !errors.As(err, &invalid) || !invalid.Has(tt.want[0].kind) || invalid.Has("no such kind") {
				t.Errorf("Err() = %#v", err)
			}
			if want := strings.Join(messages, "; "); err.Error() != want {
				t.Errorf("Err() = %q, want %q", err, want)
			}
			if got := advice.Of(err); got != tt.advice {
				t.Errorf("advice %q, want %q", got, tt.advice)
			}
		})
	}
}

func sec1(t *testing.T, m minted) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(m.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}
