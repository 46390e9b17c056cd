package smoke

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// connect dials, on a connection of its own so that a name, a closed port and a
// firewall can be told apart from what follows.
func (r *run) connect(ctx context.Context) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.target.address())
	if err != nil {
		return "", err
	}
	r.conn = conn
	return conn.RemoteAddr().String(), nil
}

// handshake speaks TLS on the connection of connect.
func (r *run) handshake(ctx context.Context) (string, error) {
	conn := tls.Client(r.conn, &tls.Config{
		ServerName: hostName(r.target.Host),
		RootCAs:    r.target.Roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
	})
	r.conn = nil
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	state := conn.ConnectionState()
	leaf := state.PeerCertificates[0]
	protocol := state.NegotiatedProtocol
	if protocol == "" {
		protocol = "http/1.1" // what having chosen none means
	}
	return fmt.Sprintf("%s, %s, certificate from %q valid until %s", tls.VersionName(state.Version), protocol,
		leaf.Issuer.CommonName, leaf.NotAfter.UTC().Format("2006-01-02 15:04 MST")), nil
}

// challenge asks as a stranger. A client decides by the answer how to log in.
func (r *run) challenge(ctx context.Context) (string, error) {
	resp, err := r.send(ctx, http.MethodGet, r.url(""), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if err := expect(resp, http.StatusOK, http.StatusUnauthorized); err != nil {
		return "", err
	}
	schemes := challenges(resp.Header.Values("WWW-Authenticate"))
	if resp.StatusCode == http.StatusOK || !slices.Contains(schemes, "basic") {
		return "", &ChallengeError{Status: resp.StatusCode, Schemes: schemes}
	}
	return "asks for a password", nil
}

// challenges returns the schemes of WWW-Authenticate headers, one a header as
// every registry and Nginx send them.
func challenges(headers []string) (schemes []string) {
	for _, h := range headers {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(h), " "); scheme != "" {
			schemes = append(schemes, strings.ToLower(oneLine(scheme)))
		}
	}
	return schemes
}

// login has the client library negotiate, then shows the password.
func (r *run) login(ctx context.Context) (string, error) {
	user := authn.FromConfig(authn.AuthConfig{Username: r.target.Username, Password: r.target.Password})
	way, err := transport.NewWithContext(ctx, r.repo.Registry, user, r.transport, nil)
	if err != nil {
		return "", err
	}
	r.authed = way
	return "as " + r.target.Username, r.ask(ctx, http.MethodGet, r.url(""), nil, http.StatusOK)
}
