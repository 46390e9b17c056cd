package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Target is a front door to ask.
type Target struct {
	URL      string // https://domain[:port]
	Name     string // that clients call it by, for TLS
	DialAddr string // host:port to connect to, whatever the name leads to
}

// announced is the size of the body that a probe announces and does not send.
const announced = 64 << 20

// Probe asks a front door what a client without a password sees of it: the chain
// of certificates, the answer to GET /v2/, and whether a large body would be
// taken. It takes any certificate, since that is judged by the checks. Nothing is
// logged in, and no body is sent: who minds the size says so before.
func Probe(ctx context.Context, t Target) *Door {
	d := &Door{Address: t.DialAddr}
	conn, err := dial(ctx, t)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			d.DialError = op.Err.Error()
		} else {
			d.TLSError = "no TLS: " + err.Error()
		}
		return d
	}
	d.Chain = conn.ConnectionState().PeerCertificates
	asked := time.Now()
	resp, err := ask(conn, "GET /v2/ HTTP/1.1", t.URL)
	if err != nil {
		d.Error, d.Hangs = err.Error(), errors.Is(err, os.ErrDeadlineExceeded)
		return d
	}
	d.Status = resp.StatusCode
	scheme, _, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), " ")
	d.Challenge = strings.ToLower(scheme)
	d.HSTS = maxAge(resp.Header.Get("Strict-Transport-Security"))
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		d.Skew = date.Sub(asked.Truncate(time.Second))
	}
	if d.Status == http.StatusUnauthorized { // else it is not a registry's, or broken
		d.Body, err = announce(ctx, t)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // slow is not refused
			d.BodyError = err.Error()
		}
	}
	return d
}

// announce asks whether a large body would be taken. A server that minds says 413
// before it looks at the password; one that does not asks for the password, or for
// the body (100).
func announce(ctx context.Context, t Target) (int, error) {
	conn, err := dial(ctx, t)
	if err != nil {
		return 0, err
	}
	resp, err := ask(conn, "PATCH /v2/regctl-doctor/blobs/uploads/doctor HTTP/1.1", t.URL,
		"Content-Type: application/octet-stream", fmt.Sprintf("Content-Length: %d", announced), "Expect: 100-continue")
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

func dial(ctx context.Context, t Target) (*tls.Conn, error) {
	d := tls.Dialer{Config: &tls.Config{ServerName: t.Name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}
	conn, err := d.DialContext(ctx, "tcp", t.DialAddr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn.(*tls.Conn), nil
}

// ask sends a request without a body, reads the head of the answer and closes the
// connection.
func ask(conn *tls.Conn, request, url string, headers ...string) (*http.Response, error) {
	defer conn.Close()
	head := append([]string{request, "Host: " + strings.TrimPrefix(url, "https://"), "User-Agent: regctl-doctor", "Connection: close"}, headers...)
	if _, err := conn.Write([]byte(strings.Join(head, "\r\n") + "\r\n\r\n")); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// maxAge reads the time of a Strict-Transport-Security header; 0: none.
func maxAge(header string) time.Duration {
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && strings.EqualFold(name, "max-age") && seconds > 0 {
			return time.Duration(seconds) * time.Second
		}
	}
	return 0
}
