package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
)

// Leaf describes a server's certificate. Its texts come from the certificate,
// which may be a stranger's (Served), so what a terminal could take for a
// command is replaced in them.
type Leaf struct {
	Names       []string // DNS names, then IP addresses, as the certificate lists them
	Subject     string
	Issuer      string
	NotBefore   time.Time
	NotAfter    time.Time
	Serial      string // lower-case hexadecimal, as crt.sh and Let's Encrypt write it
	KeyType     string // "EC P-256", "RSA 2048", "Ed25519"
	Fingerprint string // SHA-256 of the whole certificate, lower-case hexadecimal
	SelfSigned  bool
}

// DaysLeft is the number of whole days until the certificate ends; negative as
// soon as it has ended.
func (l Leaf) DaysLeft(now time.Time) int {
	return int(math.Floor(l.NotAfter.Sub(now).Hours() / 24))
}

func leafOf(c *x509.Certificate) Leaf {
	sum := sha256.Sum256(c.Raw)
	l := Leaf{
		Subject:     printable(c.Subject.String()),
		Issuer:      printable(c.Issuer.String()),
		NotBefore:   c.NotBefore,
		NotAfter:    c.NotAfter,
		Serial:      hex.EncodeToString(c.SerialNumber.Bytes()),
		KeyType:     keyType(c.PublicKey),
		Fingerprint: hex.EncodeToString(sum[:]),
		SelfSigned:  selfSigned(c),
	}
	for _, n := range c.DNSNames {
		l.Names = append(l.Names, printable(n))
	}
	for _, ip := range c.IPAddresses {
		l.Names = append(l.Names, ip.String())
	}
	return l
}

func keyType(pub any) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", pub)
}

// title is what to call a certificate in a message, quoted.
func title(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return fmt.Sprintf("%q", c.Subject.CommonName)
	case len(c.DNSNames) > 0:
		return fmt.Sprintf("%q", c.DNSNames[0])
	case len(c.IPAddresses) > 0:
		return fmt.Sprintf("%q", c.IPAddresses[0].String())
	}
	return fmt.Sprintf("%q", c.Subject.String())
}

// issuerTitle is title for whoever signed c.
func issuerTitle(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return fmt.Sprintf("%q", c.Issuer.CommonName)
	}
	return fmt.Sprintf("%q", c.Issuer.String())
}

// printable replaces what does not print, escape sequences before all.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
