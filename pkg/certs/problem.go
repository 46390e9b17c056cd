package certs

import (
	"strings"

	"github.com/regctl/regctl/pkg/advice"
)

// Kind tells problems apart without looking at their text.
type Kind string

// What can be wrong with a pair so that it must not be served.
const (
	NotPEM          Kind = "not-pem"          // DER, PKCS#12 or no certificate format at all
	BrokenPEM       Kind = "broken-pem"       // a block that is cut short or damaged
	NoCertificate   Kind = "no-certificate"   // nothing, or something else than a certificate
	NoKey           Kind = "no-key"           // nothing, or something else than a key
	Swapped         Kind = "swapped"          // the key where the certificate belongs and the reverse
	EncryptedKey    Kind = "encrypted-key"    // needs a passphrase
	ManyKeys        Kind = "many-keys"        // more than one
	KeyMismatch     Kind = "key-mismatch"     // the key belongs to none of the certificates
	ChainOrder      Kind = "chain-order"      // the right certificates in the wrong order, or twice
	ChainBroken     Kind = "chain-broken"     // the leaf's issuer is not among the others
	ChainLong       Kind = "chain-long"       // a bundle of CAs rather than a chain
	WeakKey         Kind = "weak-key"         // RSA under 2048 bits
	WeakSignature   Kind = "weak-signature"   // SHA-1 or MD5
	UnsupportedKey  Kind = "unsupported-key"  // a type or size that clients refuse
	NotForServers   Kind = "not-for-servers"  // its extended key usage leaves servers out
	NameNotCovered  Kind = "name-not-covered" // clients would refuse it for a name of this registry
	Expired         Kind = "expired"
	NotYetValid     Kind = "not-yet-valid"
	IssuerExpired   Kind = "issuer-expired"     // the leaf's issuer, as sent with it
	NoIntermediate  Kind = "no-intermediate"    // warning: the leaf comes alone, and did not sign itself
	StrayInChain    Kind = "stray-in-chain"     // warning: a certificate that signed none of the others
	KeyInCert       Kind = "key-in-certificate" // warning: the file meant to be public also holds the key
	SelfSignedLeaf  Kind = "self-signed-leaf"   // warning: each client must be given this very certificate
	ChainNotCurrent Kind = "chain-not-current"  // warning: one further up the chain is expired or not yet valid
)

// Problem is one thing that is wrong with a pair. Message is one line, lower
// case, without a final period. Advice, where there is any, is what to do.
type Problem struct {
	Kind    Kind
	Message string
	Advice  string
}

// InvalidError lists everything that forbids serving a pair.
type InvalidError struct{ Faults []Problem }

func (e *InvalidError) Error() string {
	var all []string
	for _, f := range e.Faults {
		all = append(all, f.Message)
	}
	return strings.Join(all, "; ")
}

// Has says whether a fault of that kind is among them.
func (e *InvalidError) Has(k Kind) bool {
	for _, f := range e.Faults {
		if f.Kind == k {
			return true
		}
	}
	return false
}

// invalid makes the error for faults, with the first advice there is; nil for
// no faults.
func invalid(faults []Problem) error {
	if len(faults) == 0 {
		return nil
	}
	err := error(&InvalidError{faults})
	for _, f := range faults {
		if f.Advice != "" {
			return advice.With(err, "%s", f.Advice)
		}
	}
	return err
}
