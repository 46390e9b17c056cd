package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
)

// Staging is where to try what is meant for a directory: Let's Encrypt has another
// for that, whose certificates nobody trusts. Elsewhere it is the same one.
func Staging(directory string) string {
	if directory == "https://acme-v02.api.letsencrypt.org/directory" {
		return "https://acme-staging-v02.api.letsencrypt.org/directory"
	}
	return directory
}

// mostSkew is how far this machine's clock and the CA's may be apart. Beyond it a
// new certificate would look expired or not yet valid here.
const mostSkew = time.Hour

// grace is how long an Obtain that was cancelled may take to clean up.
const grace = 3 * time.Second

// Issuer obtains certificates from one ACME directory. Of Webroot and DNS exactly
// one is set. Callers hold the deployment's lock.
type Issuer struct {
	Directory string         // URL
	Roots     *x509.CertPool // who may vouch for the directory; nil: those of the system
	Accounts  Accounts
	Ephemeral bool // use an account made for this once and given up afterwards; nothing of it is written
	Email     string
	AgreeTOS  bool // the person has agreed to the terms of service
	Binding   *ExternalAccount
	Webroot   *Webroot
	DNS       *DNS
	Agent     string               // User-Agent, such as regctl/1.2
	Now       func() time.Time     // nil: time.Now
	Log       func(string, ...any) // progress for a curious person; nil: none
}

// ExternalAccount binds the ACME account to one that the CA knows otherwise (RFC
// 8555, 7.3.4).
type ExternalAccount struct {
	KeyID string
	HMAC  string // base64url
}

// Request is a certificate to be obtained.
type Request struct {
	Names          []string // host names and IP addresses
	KeyType        string   // ec256, ec384, rsa2048, rsa3072 or rsa4096
	Profile        string   // of the CA, "" for its default
	PreferredChain string   // common name of the root's side issuer, "" for the CA's default
	Replaces       string   // ARI identifier of the certificate that it follows, "" for none
}

// Issued is a certificate that was obtained and examined.
type Issued struct {
	Pair     certs.Pair
	Leaf     certs.Leaf
	Replaces bool     // the CA took it as the successor of Request.Replaces
	Warnings []string // what a person should know
}

// Obtain obtains a certificate. It ends soon after ctx does and leaves no answer
// to a challenge behind. Its errors are *Error (wrapped), or those of the file
// system. What it returns covers every name, fits its key and is valid now.
func (i *Issuer) Obtain(ctx context.Context, r Request) (got *Issued, err error) {
	key, err := newKey(r.KeyType)
	if err != nil {
		return nil, err
	}
	if (i.Webroot == nil) == (i.DNS == nil) {
		return nil, errors.New("acme: exactly one way to answer challenges is needed")
	}
	if i.DNS != nil {
		for _, n := range r.Names {
			if _, err := netip.ParseAddr(n); err == nil {
				return nil, &Error{Kind: Rejected, text: fmt.Sprintf("%s: an IP address cannot be proved by dns-01", n)}
			}
		}
	}
	session, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		issued *Issued
		err    error
	}
	var solver *webrootSolver
	if i.Webroot != nil {
		if i.Ephemeral {
			back := i.Webroot.remember()
			defer func() { err = errors.Join(err, back()) }()
		}
		if err := i.Webroot.Sweep(); err != nil {
			return nil, err
		}
		solver = &webrootSolver{Webroot: *i.Webroot, log: i.log, put: map[string]bool{}}
	}
	done := make(chan outcome, 1)
	go func() {
		issued, err := i.obtain(session, r, key, solver)
		done <- outcome{issued, err}
	}()
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
		// lego sleeps between requests without looking at anything; its next one
		// fails, and what it put up is taken down here.
		select {
		case <-done:
		case <-time.After(grace):
		}
		o.err = ctx.Err()
	}
	if solver != nil {
		o.err = errors.Join(o.err, solver.close())
	}
	if o.err == nil {
		o.err = i.examine(o.issued, r)
	}
	if o.err != nil {
		return nil, o.err
	}
	return o.issued, nil
}

func (i *Issuer) now() time.Time {
	if i.Now == nil {
		return time.Now()
	}
	return i.Now()
}

func (i *Issuer) log(format string, args ...any) {
	if i.Log != nil {
		i.Log(format, args...)
	}
}

// examine looks at what came: lego drops names that it cannot read, and falls
// back to another chain, without a word.
func (i *Issuer) examine(got *Issued, r Request) error {
	report := got.Pair.Check(r.Names, i.now())
	if report.Leaf != nil {
		got.Leaf = *report.Leaf
	}
	if err := report.Err(); err != nil {
		return &Error{Kind: Unexpected, text: fmt.Sprintf("the certificate that %s issued cannot be used: %v", i.host(), err), err: err}
	}
	chain, err := parseChain(got.Pair.Fullchain)
	if err != nil {
		return err
	}
	if top := chain[len(chain)-1].Issuer.CommonName; r.PreferredChain != "" && top != r.PreferredChain {
		got.Warnings = append(got.Warnings, fmt.Sprintf("the CA has no chain that ends at %q; the one it prefers ends at %q", r.PreferredChain, oneLine(top)))
	}
	return nil
}

// host is what to call the CA.
func (i *Issuer) host() string { return hostOf(i.Directory) }

// newKey makes a certificate's key.
func newKey(keyType string) (crypto.Signer, error) {
	switch keyType {
	case "ec256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ec384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("there is no key type %q", keyType)
}

// KeyTypeName is what certs.Leaf.KeyType calls a key type of a Request.
func KeyTypeName(keyType string) string {
	switch keyType {
	case "ec256":
		return "EC P-256"
	case "ec384":
		return "EC P-384"
	}
	return "RSA " + strings.TrimPrefix(keyType, "rsa")
}

func parseChain(fullchain []byte) (all []*x509.Certificate, err error) {
	for block, rest := pem.Decode(fullchain); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate")
	}
	return all, nil
}

// hasIP says whether one of the names is an IP address.
func hasIP(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, err := netip.ParseAddr(n); return err == nil })
}

// termsError refuses to register without agreement.
func (i *Issuer) termsError(url string) error {
	return advice.With(&Error{Kind: Terms, TermsAt: url, text: fmt.Sprintf("the terms of service of %s were not agreed to", i.host())},
		"read %s; if you agree, set acme.agree_tos: true in regctl.yaml and run regctl cert issue", oneLine(url))
}
