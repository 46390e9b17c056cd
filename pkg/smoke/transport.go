package smoke

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrPlainHTTP says that a request would have left without TLS, and did not.
var ErrPlainHTTP = errors.New("refused to speak plain http")

// errForeignHost says that the password would have gone to another host, and
// did not. Nothing is known to make the client library do it.
var errForeignHost = errors.New("refused to send the password to another host")

// guard is the last thing a request passes before the wire. It lets nothing out
// without TLS, and the password only to host, whatever the layers above it
// (which follow redirects, Locations, and a guess that localhost may speak plain
// HTTP) have made of a request.
type guard struct {
	host string
	next http.RoundTripper
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	err := g.check(req)
	if err == nil {
		return g.next.RoundTrip(req)
	}
	if req.Body != nil {
		req.Body.Close() // the contract of a RoundTripper, also when it fails
	}
	return nil, err
}

func (g *guard) check(req *http.Request) error {
	if req.URL.Scheme != "https" {
		return ErrPlainHTTP
	}
	if req.Header.Get("Authorization") != "" && hostPort(req.URL.Host) != hostPort(g.host) {
		return errForeignHost
	}
	return nil
}

// newTransport returns the way to the registry, without credentials, and the
// function that closes its connections.
//
// It uses no proxy from the environment: the front door itself is under test.
// It does not ask for compressed answers, so that the bytes compared are those
// on the wire.
func newTransport(t Target, watch *uploads) (http.RoundTripper, func()) {
	var dialer net.Dialer
	wire := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == hostPort(t.Host) {
				addr = t.address()
			}
			return dialer.DialContext(ctx, network, addr)
		},
		TLSClientConfig:     &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 8,
	}
	watch.next, watch.host = wire, t.Host
	return transport.NewUserAgent(&guard{host: t.Host, next: watch}, "regctl-smoke"), wire.CloseIdleConnections
}
