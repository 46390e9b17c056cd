package acme

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/regctl/regctl/pkg/advice"
)

// Kind says what went wrong in a few words that stay the same.
type Kind string

// Why no certificate was obtained.
const (
	Unreachable Kind = "unreachable"  // no answer, or one of a server in trouble
	RateLimited Kind = "rate-limited" // asked too often; see Error.RetryAt
	Terms       Kind = "terms"        // the terms of service were not agreed to
	Account     Kind = "account"      // its key is lost, or the CA does not know it (any more)
	Binding     Kind = "binding"      // an external account binding is missing or was refused
	Validation  Kind = "validation"   // the CA could not see that a name is ours
	Rejected    Kind = "rejected"     // the CA does not issue what was asked for
	Clock       Kind = "clock"        // this machine's clock and the CA's are apart
	Unexpected  Kind = "unexpected"   // what came is not what was asked for
	Solver      Kind = "solver"       // the proof could not be put up: a file, a DNS provider
	Refused     Kind = "refused"      // any other refusal
)

// Error is why no certificate was obtained. Its text is one line.
type Error struct {
	Kind    Kind
	Status  int       // HTTP status of the CA's answer, 0 when there was none
	Type    string    // of the problem (RFC 8555, 6.7), without its prefix
	RetryAt time.Time // when the CA wants to be asked again at the earliest; zero: it did not say
	TermsAt string    // URL of the terms, with Terms

	text string
	err  error
}

func (e *Error) Error() string { return e.text }
func (e *Error) Unwrap() error { return e.err }

// maxDetail is how many characters of a stranger's words are repeated.
const maxDetail = 500

// oneLine makes a text from elsewhere fit for a terminal and a log.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) }), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
	if r := []rune(s); len(r) > maxDetail {
		s = string(r[:maxDetail]) + "…"
	}
	return s
}

const problemPrefix = "urn:ietf:params:acme:error:"

// kindOf sorts the problems of RFC 8555, 6.7 and of the drafts around it.
func kindOf(problem string, status int) Kind {
	switch problem {
	case "rateLimited":
		return RateLimited
	case "userActionRequired":
		return Terms
	case "accountDoesNotExist":
		return Account
	case "externalAccountRequired":
		return Binding
	case "dns", "connection", "caa", "incorrectResponse", "tls":
		return Validation
	case "rejectedIdentifier", "unsupportedIdentifier", "invalidProfile", "badCSR", "badPublicKey", "invalidContact", "unsupportedContact", "malformed":
		return Rejected
	case "serverInternal", "badNonce":
		return Unreachable
	}
	switch {
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= 500:
		return Unreachable
	}
	return Refused
}

// advise adds the way out where there is one.
func (i *Issuer) advise(e *Error) error {
	switch e.Kind {
	case Validation:
		switch {
		case e.Type == "caa":
			return advice.With(e, "a CAA record in DNS forbids this CA: add one for it, or choose another with acme.server")
		case i.DNS != nil:
			return advice.With(e, "look at the TXT record _acme-challenge of the name, and at acme.dns in regctl.yaml")
		}
		return advice.With(e, "the name has to lead to this host, and port 80 of it to http_port in regctl.yaml, also through a firewall; or set acme.challenge: dns-01")
	case RateLimited:
		return advice.With(e, "regctl cert renew asks again in time; --force would only be refused")
	case Terms:
		return advice.With(e, "read the CA's new terms; the account has to agree to them")
	}
	return e
}

// bindingRefused tells apart what a refusal to register is about when an
// external account was named.
func (i *Issuer) bindingRefused(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && i.Binding != nil && (e.Kind == Refused || e.Kind == Account || e.Kind == Rejected) {
		e.Kind = Binding
		return advice.With(e, "look at acme.eab.key_id and its HMAC key; many work once only, or for a few days: get new ones from the CA")
	}
	return err
}

func behind(skew time.Duration) string {
	if skew > 0 {
		return skew.Round(time.Minute).String() + " behind"
	}
	return (-skew).Round(time.Minute).String() + " ahead of"
}
