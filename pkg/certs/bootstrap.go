package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"time"
)

// bootstrapName is the common name of bootstrap pairs.
const bootstrapName = "regctl: no certificate yet"

// bootstrapLife is how long a bootstrap pair lasts. Nobody trusts it anyway; it
// must only not end while a CA is being set up.
const bootstrapLife = 365 * 24 * time.Hour

// Bootstrap makes a pair that signs itself, so that Nginx can start and answer a
// CA's challenges before there is any certificate. Clients refuse it, which is
// what they should do.
func Bootstrap(names []string, now time.Time) (Pair, error) {
	h, err := parseHosts(names)
	if err != nil {
		return Pair{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: bootstrapName},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(bootstrapLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     h.dns,
		IPAddresses:  h.netIPs(),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Pair{}, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Fullchain: encodeCertificate(der), Key: text}, nil
}

// Signed says whether the local CA has signed a pair's certificate. Without a CA
// it has not.
func (l LocalCA) Signed(p Pair) (bool, error) {
	data, err := os.ReadFile(l.CertPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ca, _ := readChain(blocksOf(data), data)
	leaf, _ := readChain(blocksOf(p.Fullchain), p.Fullchain)
	return len(ca) > 0 && len(leaf) > 0 && signedBy(leaf[0], ca[0]), nil
}
