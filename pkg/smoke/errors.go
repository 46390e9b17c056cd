package smoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// StatusError is an answer with a status that was not asked for.
type StatusError struct {
	Method  string
	URL     string // without its query, which carries the registry's upload state
	Status  int
	Codes   []string // the registry's error codes; none when something else answered
	Message string   // the registry's first message, one line, at most 200 bytes
	Detail  bool     // the first error says more than its message
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: status %d %s", e.Method, e.URL, e.Status, strings.ToLower(http.StatusText(e.Status)))
	if len(e.Codes) > 0 {
		s += fmt.Sprintf(" (%s: %s)", e.Codes[0], e.Message)
	}
	return s
}

func (e *StatusError) has(code transport.ErrorCode) bool {
	return slices.Contains(e.Codes, string(code))
}

// ChallengeError is an answer to GET /v2/ without credentials that does not ask
// for a password as a registry with users must.
type ChallengeError struct {
	Status  int      // 401, or 200 where no password is asked for
	Schemes []string // what it asked for instead of Basic, in lower case
}

func (e *ChallengeError) Error() string {
	switch {
	case e.Status != http.StatusUnauthorized:
		return fmt.Sprintf("GET /v2/ without a password is answered with status %d, not 401", e.Status)
	case len(e.Schemes) == 0:
		return "the 401 to GET /v2/ has no WWW-Authenticate header"
	}
	return fmt.Sprintf("the 401 to GET /v2/ asks for %s, not basic", strings.Join(e.Schemes, ", "))
}

// LocationError is an upload URL that clients cannot, or must not, use.
type LocationError struct {
	Location string // without its query
	Want     string // what it should begin with
	cause    Cause
}

func (e *LocationError) Error() string {
	if e.Location == "" {
		return "the answer to the start of an upload has no Location header"
	}
	return fmt.Sprintf("the upload's Location is %s, not %s…", e.Location, e.Want)
}

// MismatchError is content that is not what was pushed.
type MismatchError struct {
	Path              string // under /v2/
	WantDigest        string
	GotDigest         string
	WantSize, GotSize int64 // bytes
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s came back as %s (%d bytes), was pushed as %s (%d bytes)", e.Path, e.GotDigest, e.GotSize, e.WantDigest, e.WantSize)
}

// StillServedError is content that was deleted and is served all the same.
type StillServedError struct{ Path string }

func (e *StillServedError) Error() string {
	return fmt.Sprintf("%s is deleted and still served", e.Path)
}

// maxError bounds how much of an error's body is read: a registry's is small,
// and a proxy's error page is of no use.
const maxError = 64 << 10

// expect returns a *StatusError unless the answer has one of the wanted
// statuses. It does not close the body.
func expect(resp *http.Response, wanted ...int) error {
	if slices.Contains(wanted, resp.StatusCode) {
		return nil
	}
	e := &StatusError{Method: resp.Request.Method, URL: bare(resp.Request.URL), Status: resp.StatusCode}
	var body struct {
		Errors []struct {
			Code, Message string
			Detail        any
		}
	}
	// Not JSON, or cut short: then the status has to do.
	if data, err := io.ReadAll(io.LimitReader(resp.Body, maxError)); err == nil && json.Unmarshal(data, &body) == nil {
		for _, d := range body.Errors {
			e.Codes = append(e.Codes, oneLine(d.Code))
		}
		if len(body.Errors) > 0 {
			e.Message, e.Detail = oneLine(body.Errors[0].Message), body.Errors[0].Detail != nil
		}
	}
	return e
}

// tidy turns the errors of the HTTP client and the client library into ones
// that fit on a line and hold neither a request with its Authorization header
// nor the query of an upload.
func tidy(err error) error {
	var ours *StatusError
	var theirs *transport.Error
	var wire *url.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.As(err, &theirs):
		e := &StatusError{Status: theirs.StatusCode}
		if theirs.Request != nil {
			e.Method, e.URL = theirs.Request.Method, bare(theirs.Request.URL)
		}
		for _, d := range theirs.Errors {
			e.Codes = append(e.Codes, oneLine(string(d.Code)))
		}
		if len(theirs.Errors) > 0 {
			e.Message, e.Detail = oneLine(theirs.Errors[0].Message), theirs.Errors[0].Detail != nil
		}
		return e
	case errors.As(err, &wire):
		at := wire.URL
		if u, perr := url.Parse(wire.URL); perr == nil {
			at = bare(u)
		}
		return fmt.Errorf("%s %s: %w", strings.ToUpper(wire.Op), at, wire.Err)
	}
	return err
}

// bare is a URL without query, fragment and user.
func bare(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// oneLine makes a server's words safe to show on a terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
