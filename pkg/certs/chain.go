package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// arrange examines the order of a chain whose leaf is at index start: each
// certificate must be signed by the one after it (RFC 5246, 7.4.2; RFC 8446
// asks for it too, and not every client sorts for itself).
func arrange(chain []*x509.Certificate, start int) (faults, warnings []Problem) {
	for i, c := range chain {
		for j := range i {
			if c.Equal(chain[j]) {
				return []Problem{{ChainOrder, fmt.Sprintf("certificate %d of the chain, %s, is certificate %d again", i+1, title(c), j+1), ""}}, nil
			}
		}
	}
	path := pathFrom(chain, start)
	if len(path) == 1 && len(chain) > 1 && !selfSigned(chain[start]) {
		return []Problem{{ChainBroken, fmt.Sprintf("%s was issued by %s, but no certificate that comes with it is that issuer's",
			title(chain[start]), issuerTitle(chain[start])), ""}}, nil
	}
	for i, at := range path {
		if i != at {
			faults = append(faults, Problem{ChainOrder, "the chain is in the wrong order: it must be " + titles(chain, path), ""})
			break
		}
	}
	for i, c := range chain {
		if !slices.Contains(path, i) {
			warnings = append(warnings, Problem{StrayInChain, fmt.Sprintf("certificate %d of the chain, %s, signed none of the others", i+1, title(c)), ""})
		}
	}
	return faults, warnings
}

// pathFrom follows the issuers from start, each certificate at most once, and
// takes the next in the file where several would do (cross-signed issuers).
func pathFrom(chain []*x509.Certificate, start int) []int {
	path := []int{start}
	for at := start; !selfSigned(chain[at]); {
		next := -1
		for i := 1; i < len(chain); i++ {
			j := (at + i) % len(chain)
			if !slices.Contains(path, j) && signedBy(chain[at], chain[j]) {
				next = j
				break
			}
		}
		if next < 0 {
			break
		}
		path = append(path, next)
		at = next
	}
	return path
}

// signedBy says whether issuer signed c. A signature with a hash that Go does
// not check any more (SHA-1, MD5) counts by its names alone; check tells of it.
func signedBy(c, issuer *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, issuer.RawSubject) && holds(c.CheckSignatureFrom(issuer))
}

// selfSigned does not use CheckSignatureFrom, which asks that the issuer be a
// CA: many a self-signed server certificate is not.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) &&
		holds(c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature))
}

func holds(err error) bool {
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure)
}

func titles(chain []*x509.Certificate, path []int) string {
	var all []string
	for _, i := range path {
		all = append(all, fmt.Sprintf("%s (now %d)", title(chain[i]), i+1))
	}
	return strings.Join(all, ", ")
}
