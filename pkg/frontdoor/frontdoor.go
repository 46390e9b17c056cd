// Package frontdoor asks the running stack, as a client would, whether it
// answers: TLS on the published port, and a registry behind it that wants a
// password.
package frontdoor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Door is where to knock.
type Door struct {
	URL      string         // https://domain[:port]
	DialAddr string         // host:port to connect to, whatever the domain resolves to
	Roots    *x509.CertPool // trusted besides nothing; nil: the system's
	// AnyCertificate accepts a certificate that does not verify: whether clients
	// trust it is a question of its own.
	AnyCertificate bool

	timeout time.Duration // of one knock; 0 is knockTimeout
}

// Errors that tell how far a knock came.
var (
	ErrNoRegistry = errors.New("the registry behind Nginx does not answer")
	ErrOpen       = errors.New("the registry asks for no password")
	ErrStranger   = errors.New("something else answers on the port")
)

// knockTimeout bounds one request; it answers in milliseconds or not at all.
const knockTimeout = 5 * time.Second

// Knock sends GET /v2/ without credentials. It returns the certificate served,
// also with an error where the connection came that far; nil means that the
// answer was 401 with a Basic challenge.
func (d Door) Knock(ctx context.Context) (*x509.Certificate, error) {
	timeout := d.timeout
	if timeout == 0 {
		timeout = knockTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, d.DialAddr)
		},
		TLSClientConfig:   &tls.Config{RootCAs: d.Roots, InsecureSkipVerify: d.AnyCertificate},
		DisableKeepAlives: true,
		Proxy:             nil, // the front door is on this host
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+"/v2/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var leaf *x509.Certificate
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		leaf = resp.TLS.PeerCertificates[0]
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		scheme, _, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), " ")
		if !strings.EqualFold(scheme, "Basic") {
			return leaf, fmt.Errorf("%w: 401 with the challenge %q instead of Basic", ErrStranger, scheme)
		}
		return leaf, nil
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return leaf, fmt.Errorf("%w (%s)", ErrNoRegistry, resp.Status)
	case http.StatusOK:
		return leaf, ErrOpen
	}
	return leaf, fmt.Errorf("%w: GET /v2/ answers %s", ErrStranger, resp.Status)
}
