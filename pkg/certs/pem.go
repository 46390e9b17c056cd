package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// maxChain bounds the certificates of one chain. Real ones have two to four;
// a whole CA bundle given by mistake would cost a signature check per pair.
const maxChain = 16

// material is what a pair's PEM texts hold.
type material struct {
	chain    []*x509.Certificate
	key      crypto.Signer
	keyBlock *pem.Block
}

func (m *material) leaf() *x509.Certificate { return m.chain[0] }

// pair writes the material anew: certificates alone and the key alone, without
// the comments, further keys and parameters that files from elsewhere carry.
// A key in what becomes fullchain.pem would be readable by everyone.
func (m *material) pair() Pair {
	var full bytes.Buffer
	for _, c := range m.chain {
		full.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	key := pem.EncodeToMemory(&pem.Block{Type: m.keyBlock.Type, Bytes: m.keyBlock.Bytes})
	return Pair{Fullchain: full.Bytes(), Key: key}
}

// readMaterial takes a pair's texts apart. The material is complete only when
// there are no faults; the chain may be there although the key has some.
func readMaterial(p Pair) (m material, faults, warnings []Problem) {
	certs, keys := blocksOf(p.Fullchain), blocksOf(p.Key)
	if len(certs.certificates) == 0 && len(certs.keys) > 0 && len(keys.certificates) > 0 && len(keys.keys) == 0 {
		return m, []Problem{{Swapped, "certificate and key are swapped: the certificate's place holds a key", "give them the other way round"}}, nil
	}
	m.chain, faults = readChain(certs, p.Fullchain)
	var bad []Problem
	m.key, m.keyBlock, bad = readKey(keys, p.Key)
	if len(certs.keys) > 0 {
		warnings = append(warnings, Problem{KeyInCert, "the certificate's file also holds a private key: whoever may read the certificate has the key", ""})
	}
	return m, append(faults, bad...), warnings
}

func readChain(b blocks, data []byte) ([]*x509.Certificate, []Problem) {
	if b.broken > 0 {
		return nil, []Problem{{BrokenPEM, "the certificate has a PEM block that is cut short or damaged", ""}}
	}
	if n := len(b.certificates); n > maxChain {
		return nil, []Problem{{ChainLong, fmt.Sprintf("the certificate comes with %d others: that is a bundle of CAs, not a chain", n-1), ""}}
	} else if n == 0 {
		return nil, []Problem{noCertificate(b, data)}
	}
	var chain []*x509.Certificate
	var faults []Problem
	for i, block := range b.certificates {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			faults = append(faults, Problem{BrokenPEM, fmt.Sprintf("certificate %d cannot be read: %v", i+1, err), ""})
			continue
		}
		chain = append(chain, c)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return chain, nil
}

func noCertificate(b blocks, data []byte) Problem {
	switch {
	case len(b.others) > 0:
		return Problem{NoCertificate, fmt.Sprintf("no certificate: there is a PEM block of type %q", b.others[0]), ""}
	case len(b.keys) > 0:
		return Problem{NoCertificate, "no certificate: there is only a private key", ""}
	case len(bytes.TrimSpace(data)) == 0:
		return Problem{NoCertificate, "no certificate: it is empty", ""}
	case isPKCS12(data):
		return Problem{NotPEM, "the certificate is a PKCS#12 archive, not PEM", "openssl pkcs12 -in FILE -nokeys -out cert.pem"}
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		return Problem{NotPEM, "the certificate is DER, not PEM", "openssl x509 -inform der -in FILE -out cert.pem"}
	}
	return Problem{NotPEM, "the certificate is not PEM", ""}
}

func readKey(b blocks, data []byte) (crypto.Signer, *pem.Block, []Problem) {
	switch {
	case b.broken > 0:
		return nil, nil, []Problem{{BrokenPEM, "the key has a PEM block that is cut short or damaged", ""}}
	case len(b.keys) > 1:
		return nil, nil, []Problem{{ManyKeys, fmt.Sprintf("there are %d private keys instead of one", len(b.keys)), ""}}
	case len(b.keys) == 0:
		return nil, nil, []Problem{noKey(b, data)}
	}
	block := b.keys[0]
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, nil, []Problem{{EncryptedKey, "the key is encrypted: Nginx cannot ask for its passphrase",
			"(umask 077; openssl pkey -in FILE -out key.pem)"}}
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, nil, []Problem{{UnsupportedKey, fmt.Sprintf("the key cannot be used: %v", err), ""}}
	}
	return key, block, nil
}

func noKey(b blocks, data []byte) Problem {
	switch {
	case len(b.certificates) > 0:
		return Problem{NoKey, "no private key: there is only a certificate", ""}
	case len(b.others) > 0:
		return Problem{NoKey, fmt.Sprintf("no private key: there is a PEM block of type %q", b.others[0]), ""}
	case len(bytes.TrimSpace(data)) == 0:
		return Problem{NoKey, "no private key: it is empty", ""}
	case isPKCS12(data):
		return Problem{NotPEM, "the key is a PKCS#12 archive, not PEM", "(umask 077; openssl pkcs12 -in FILE -nocerts -nodes -out key.pem)"}
	}
	for _, form := range []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"} {
		if _, err := parseKey(&pem.Block{Type: form, Bytes: data}); err == nil {
			return Problem{NotPEM, "the key is DER, not PEM", "(umask 077; openssl pkey -inform der -in FILE -out key.pem)"}
		}
	}
	return Problem{NotPEM, "the key is not PEM", ""}
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("its form, %q, is not one that Nginx reads", b.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it cannot sign")
	}
	return signer, nil
}

// isPKCS12 tells a .p12 or .pfx file: a sequence that begins with version 3.
func isPKCS12(data []byte) bool {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil || outer.Tag != asn1.TagSequence {
		return false
	}
	var version int
	_, err := asn1.Unmarshal(outer.Bytes, &version)
	return err == nil && version == 3
}

// blocks is a PEM text taken apart.
type blocks struct {
	certificates []*pem.Block
	keys         []*pem.Block
	others       []string // types; parameters, which go with a key, are not counted
	broken       int      // begun but not readable
}

// blocksOf looks for what pem.Decode passes over in silence, too: a block that
// was cut short is not an error to it, only not there, and a chain would lose
// its last certificate unnoticed.
func blocksOf(data []byte) (b blocks) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // Windows editors
	begun := 0
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("-----BEGIN ")) {
			begun++
		}
	}
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		begun--
		data = rest
		switch {
		case block.Type == "CERTIFICATE" || block.Type == "X509 CERTIFICATE":
			b.certificates = append(b.certificates, block)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			b.keys = append(b.keys, block)
		case strings.HasSuffix(block.Type, "PARAMETERS"):
		default:
			b.others = append(b.others, block.Type)
		}
	}
	b.broken = begun
	return b
}
