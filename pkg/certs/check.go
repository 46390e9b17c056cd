package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pair is a certificate and its private key in PEM. Fullchain is the leaf and
// then its issuers, each signed by the next.
type Pair struct{ Fullchain, Key []byte }

// String keeps a pair that is printed by accident from showing its key.
func (Pair) String() string { return "certificate and key" }

// GoString is String for %#v.
func (p Pair) GoString() string { return p.String() }

// Report is what there is to say about a pair.
type Report struct {
	Leaf     *Leaf     // nil when no certificate could be read
	Faults   []Problem // what forbids serving it
	Warnings []Problem // what a person should look at
}

// Err is nil when there are no faults, else an *InvalidError of them all, with
// advice where there is any.
func (r Report) Err() error { return invalid(r.Faults) }

// Check examines a pair as clients will see it at the instant now when they
// call the server by each of names (host names or IP addresses). It reports
// everything it finds, not the first thing.
func (p Pair) Check(names []string, now time.Time) Report {
	m, r := p.examine()
	if len(m.chain) == 0 {
		return r
	}
	leaf := leafOf(m.leaf())
	r.Leaf = &leaf
	r.Faults = append(r.Faults, nameFaults(m.leaf(), names)...)
	for i, c := range m.chain {
		p := currency(c, i, now)
		switch {
		case p == nil:
		case i > 1 || selfSigned(c) && i > 0:
			// Clients that know a way around it do not mind.
			r.Warnings = append(r.Warnings, Problem{ChainNotCurrent, p.Message, ""})
		default:
			r.Faults = append(r.Faults, *p)
		}
	}
	return r
}

// examine checks what depends neither on names nor on time. The material's
// chain begins with the leaf also where the file's does not.
func (p Pair) examine() (material, Report) {
	m, faults, warnings := readMaterial(p)
	r := Report{Faults: faults, Warnings: warnings}
	if len(m.chain) == 0 {
		return m, r
	}
	// Without a key to tell, the leaf is the first that is not a CA's.
	start := max(0, slices.IndexFunc(m.chain, func(c *x509.Certificate) bool { return !c.IsCA }))
	if m.key != nil {
		if i := leafFor(m); i >= 0 {
			start = i
		} else {
			r.Faults = append(r.Faults, Problem{KeyMismatch, fmt.Sprintf("the key does not belong to the certificate %s", title(m.chain[start])), ""})
		}
	}
	faults, warnings = arrange(m.chain, start)
	r.Faults = append(r.Faults, faults...)
	r.Warnings = append(r.Warnings, warnings...)
	m.chain[0], m.chain[start] = m.chain[start], m.chain[0]

	r.Faults = append(r.Faults, strength(m.chain)...)
	if leaf := m.leaf(); !forServers(leaf) {
		r.Faults = append(r.Faults, Problem{NotForServers, fmt.Sprintf("the certificate %s is not for servers: its extended key usage lacks serverAuth", title(leaf)), ""})
	}
	switch leaf := m.leaf(); {
	case selfSigned(leaf):
		r.Warnings = append(r.Warnings, Problem{SelfSignedLeaf, "the certificate is signed by itself: every client must be given this very certificate", ""})
	case len(m.chain) == 1:
		r.Warnings = append(r.Warnings, Problem{NoIntermediate, fmt.Sprintf("the certificate comes alone: unless clients trust its issuer %s directly, they will refuse it; append the issuer's certificate", issuerTitle(leaf)), ""})
	}
	return m, r
}

// leafFor finds the certificate that the key belongs to, -1 when there is none.
func leafFor(m material) int {
	// Every public key of the standard library has this method (crypto.PublicKey).
	pub, ok := m.key.Public().(interface{ Equal(x crypto.PublicKey) bool })
	if !ok {
		return -1
	}
	return slices.IndexFunc(m.chain, func(c *x509.Certificate) bool { return pub.Equal(c.PublicKey) })
}

func nameFaults(leaf *x509.Certificate, names []string) (faults []Problem) {
	var missing []string
	for _, n := range names {
		if leaf.VerifyHostname(n) != nil {
			missing = append(missing, fmt.Sprintf("%q", n))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	has := leafOf(leaf).Names
	if len(has) == 0 {
		return []Problem{{NameNotCovered, fmt.Sprintf("the certificate has no subject alternative name, so clients refuse it for %s (they ignore its common name)", strings.Join(missing, ", ")), ""}}
	}
	return []Problem{{NameNotCovered, fmt.Sprintf("the certificate is not for %s: it is for %s", strings.Join(missing, ", "), strings.Join(has, ", ")), ""}}
}

// currency says what is wrong with the dates of the i-th of a chain at now.
func currency(c *x509.Certificate, i int, now time.Time) *Problem {
	what, kind := "the certificate "+title(c), Expired
	if i > 0 {
		what, kind = "the issuer's certificate "+title(c), IssuerExpired
	}
	switch {
	case now.After(c.NotAfter):
		return &Problem{kind, fmt.Sprintf("%s expired on %s", what, day(c.NotAfter)), ""}
	case now.Before(c.NotBefore):
		if i == 0 {
			kind = NotYetValid
		}
		return &Problem{kind, fmt.Sprintf("%s is not valid before %s", what, c.NotBefore.UTC().Format(time.RFC3339)), "compare the clock of this machine"}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func forServers(c *x509.Certificate) bool {
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0
}

// strength looks for what the clients of a registry (docker, containerd,
// podman: all on Go's crypto/tls) refuse.
func strength(chain []*x509.Certificate) (faults []Problem) {
	for i, c := range chain {
		what := "the certificate " + title(c)
		if i > 0 {
			what = "the issuer's certificate " + title(c)
		}
		switch k := c.PublicKey.(type) {
		case *rsa.PublicKey:
			switch bits := k.N.BitLen(); {
			case bits < 2048:
				faults = append(faults, Problem{WeakKey, fmt.Sprintf("%s has an RSA key of %d bits: 2048 are the least", what, bits), ""})
			case bits > 8192: // crypto/tls, maxRSAKeySize
				faults = append(faults, Problem{UnsupportedKey, fmt.Sprintf("%s has an RSA key of %d bits: Go's TLS, and so docker, refuses more than 8192", what, bits), ""})
			}
		case *ecdsa.PublicKey:
			if k.Curve.Params().BitSize < 256 {
				faults = append(faults, Problem{UnsupportedKey, fmt.Sprintf("%s has a key on %s: clients take P-256, P-384 and P-521", what, k.Curve.Params().Name), ""})
			}
		}
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
			if i == 0 || !selfSigned(c) { // the signature of a root is never looked at
				faults = append(faults, Problem{WeakSignature, fmt.Sprintf("%s is signed with %s, which clients refuse", what, c.SignatureAlgorithm), ""})
			}
		}
	}
	return faults
}
