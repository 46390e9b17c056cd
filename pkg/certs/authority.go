package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"time"
)

const (
	caLife = 10 * 365 * 24 * time.Hour
	// leafLife is under the 398 days above which Apple's systems refused a
	// certificate of a public CA; private ones may last longer there, but a
	// yearly renewal that works is worth more than a long life.
	leafLife = 397 * 24 * time.Hour
	// skew is how far back new certificates begin: a client whose clock is a
	// little slow must not refuse the one that was made this minute.
	skew = time.Hour
)

// authority is a CA's certificate and key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a CA that can speak for names and nothing else: clients
// who trust it for their registry do not trust it for their bank. key is used
// when it is not nil, else one is made.
func newAuthority(names hosts, key crypto.Signer, now time.Time) (*authority, error) {
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: caName(names.domain)},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, // no mail, no code signing
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // signs servers, no further CAs
	}
	names.constrain(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key}, nil
}

// caName fits a common name into the 64 characters that X.520 allows.
func caName(domain string) string {
	const prefix, most = "regctl local CA for ", 64
	if len(prefix)+len(domain) > most {
		domain = domain[:most-len(prefix)-3] + "..."
	}
	return prefix + domain
}

// issue makes a certificate for names, and its key. It ends with the CA at the
// latest: one that outlives its issuer is refused all the same.
//
// The chain is the leaf alone. Who trusts the CA has it, and who does not must
// not take it from the wire; it would be sent with every handshake for nothing.
func (a *authority) issue(names hosts, now time.Time) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		// No common name: clients ignore it, and OpenSSL holds it against the
		// name constraints where it looks like a host name.
		Subject:               pkix.Name{Organization: []string{"regctl"}},
		NotBefore:             now.Add(-skew),
		NotAfter:              a.leafEnd(now),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names.dns,
		IPAddresses:           names.netIPs(),
	}
	if template.NotBefore.Before(a.cert.NotBefore) {
		template.NotBefore = a.cert.NotBefore
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Fullchain: encodeCertificate(der), Key: keyPEM}, nil
}

func (a *authority) leafEnd(now time.Time) time.Time {
	if end := now.Add(leafLife); end.Before(a.cert.NotAfter) {
		return end
	}
	return a.cert.NotAfter
}

// verify checks a leaf as a client does that trusts this CA alone.
func (a *authority) verify(leaf *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now})
	return err
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
