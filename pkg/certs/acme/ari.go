package acme

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
)

// ErrNoRenewalInfo says that a CA does not tell when to renew.
var ErrNoRenewalInfo = errors.New("the CA gives no renewal information")

// Directory is what a CA says of itself.
type Directory struct {
	Terms           string            // URL of the terms of service, "" for none
	RenewalInfo     string            // URL, "" for none
	Identities      []string          // names by which CAA records call the CA
	Profiles        map[string]string // name to description
	BindingRequired bool
}

// Window is when a CA wants a certificate to be renewed.
type Window struct {
	Start, End  time.Time
	Explanation string        // URL of a page for a person, "" for none
	RetryAfter  time.Duration // ask again then; 0: the CA did not say
}

// Describe asks what the CA says of itself.
func (i *Issuer) Describe(ctx context.Context) (Directory, error) {
	var dir struct {
		NewOrder    string `json:"newOrder"`
		RenewalInfo string `json:"renewalInfo"`
		Meta        struct {
			Terms      string            `json:"termsOfService"`
			Identities []string          `json:"caaIdentities"`
			Binding    bool              `json:"externalAccountRequired"`
			Profiles   map[string]string `json:"profiles"`
		} `json:"meta"`
	}
	if _, err := i.get(ctx, i.Directory, &dir); err != nil {
		return Directory{}, err
	}
	if dir.NewOrder == "" {
		return Directory{}, &Error{Kind: Unexpected, text: i.Directory + " is not the directory of an ACME server"}
	}
	return Directory{Terms: oneLine(dir.Meta.Terms), RenewalInfo: dir.RenewalInfo, Identities: dir.Meta.Identities,
		Profiles: dir.Meta.Profiles, BindingRequired: dir.Meta.Binding}, nil
}

// RenewalInfo asks when the certificate of a pair is to be renewed. It is not
// lego's, which takes an answer of any status for a window: the empty one of an
// error reads "renew now". The error is ErrNoRenewalInfo (wrapped) when the CA
// does not tell of any certificate, and an *Error otherwise.
func (i *Issuer) RenewalInfo(ctx context.Context, p certs.Pair) (Window, error) {
	id, err := CertID(p)
	if err != nil {
		return Window{}, err
	}
	dir, err := i.Describe(ctx)
	if err != nil {
		return Window{}, err
	}
	if dir.RenewalInfo == "" {
		return Window{}, fmt.Errorf("%s: %w", i.host(), ErrNoRenewalInfo)
	}
	var info struct {
		Window struct {
			Start time.Time `json:"start"`
			End   time.Time `json:"end"`
		} `json:"suggestedWindow"`
		Explanation string `json:"explanationURL"`
	}
	header, err := i.get(ctx, strings.TrimRight(dir.RenewalInfo, "/")+"/"+id, &info)
	if err != nil {
		return Window{}, err
	}
	w := Window{Start: info.Window.Start, End: info.Window.End, Explanation: oneLine(info.Explanation)}
	if w.Start.IsZero() || !w.End.After(w.Start) {
		return Window{}, &Error{Kind: Unexpected, Status: http.StatusOK, text: fmt.Sprintf("%s: the renewal window makes no sense: from %s to %s",
			i.host(), w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339))}
	}
	w.RetryAfter, _ = retryAfter(header, i.now())
	return w, nil
}

// CertID is the identifier of a pair's certificate in ARI (RFC 9773, 4.1).
func CertID(p certs.Pair) (string, error) {
	chain, err := parseChain(p.Fullchain)
	if err != nil {
		return "", err
	}
	leaf := chain[0]
	if len(leaf.AuthorityKeyId) == 0 {
		return "", errors.New("the certificate does not say which key signed it")
	}
	der, err := asn1.Marshal(leaf.SerialNumber)
	if err != nil {
		return "", err
	}
	// The content octets alone: tag and length are two, as a serial has twenty at
	// most (RFC 5280, 4.1.2.2).
	if len(der) < 3 || len(der) > 127 {
		return "", errors.New("the certificate's serial number is out of bounds")
	}
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(leaf.AuthorityKeyId) + "." + b64.EncodeToString(der[2:]), nil
}

// get fetches one JSON document.
func (i *Issuer) get(ctx context.Context, address string, into any) (http.Header, error) {
	session, cancel := context.WithCancel(ctx)
	defer cancel()
	client, t := newClient(session, i.Roots, i.Agent, i.now)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(session, http.MethodGet, address, nil)
	if err != nil {
		return nil, &Error{Kind: Unexpected, text: fmt.Sprintf("%s gives an address that cannot be used", i.host())}
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, i.transportError(ctx, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, i.transportError(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		kind := Refused
		switch {
		case resp.StatusCode == http.StatusTooManyRequests:
			kind = RateLimited
		case resp.StatusCode >= 500:
			kind = Unreachable
		}
		return nil, &Error{Kind: kind, Status: resp.StatusCode, RetryAt: t.retry(),
			text: fmt.Sprintf("%s answered %d to GET %s", i.host(), resp.StatusCode, oneLine(req.URL.Path))}
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, &Error{Kind: Unexpected, Status: resp.StatusCode, err: err,
			text: fmt.Sprintf("%s: the answer to GET %s is not the JSON that it should be", i.host(), oneLine(req.URL.Path))}
	}
	return resp.Header, nil
}

// transportError is the failure of a request without an answer.
func (i *Issuer) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var onURL *url.Error
	cause := err
	if errors.As(err, &onURL) {
		cause = onURL.Err // the URL is said already
	}
	e := &Error{Kind: Unreachable, err: err, text: fmt.Sprintf("%s cannot be reached: %s", i.host(), oneLine(cause.Error()))}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return advice.With(e, "if that CA is yours, name the PEM certificates that vouch for its address in acme.ca; else something between here and there answers in its place")
	}
	return e
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}
