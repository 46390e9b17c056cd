package acme

import (
	"strings"
	"time"
	"unicode"
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
