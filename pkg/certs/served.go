package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// servedTimeout bounds Served when its context does not: a port that accepts
// and then says nothing would hold a cron job for ever.
const servedTimeout = 10 * time.Second

// Served asks the server at addr (host:port) for the certificate that it shows
// to clients who call it serverName, and returns it unverified: compare its
// Fingerprint with the one on disk to prove that what was installed is served.
// It takes at most ten seconds. Errors wrap those of the network; that the
// other side does not speak TLS is told in the text.
func Served(ctx context.Context, addr, serverName string) (Leaf, error) {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		ServerName: serverName,
		// The question is which certificate it is, also when it is a bad one.
		// The handshake still proves that the server has its key.
		InsecureSkipVerify: true,
	}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &notTLS):
		return Leaf{}, advice.With(fmt.Errorf("%s does not speak TLS: %w", addr, err), "look for another program or proxy on that port")
	case err != nil:
		var op *net.OpError
		if errors.As(err, &op) { // names the address already
			return Leaf{}, err
		}
		return Leaf{}, fmt.Errorf("tls handshake with %s: %w", addr, err)
	}
	defer conn.Close()
	return leafOf(conn.(*tls.Conn).ConnectionState().PeerCertificates[0]), nil
}

// Roots reads the certificates that clients are to trust from a PEM file such
// as certs/ca.pem.
func Roots(path string) (*x509.CertPool, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}
