//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// roots is a pool with the deployment's CA alone.
func (d *deployment) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(d.ca())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", d.ca())
	}
	return pool
}

// transport connects to the front door whatever the domain resolves to, and
// verifies its certificate against the deployment's CA.
func (d *deployment) transport(t *testing.T) *http.Transport {
	t.Helper()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, d.address())
		},
		TLSClientConfig:       &tls.Config{RootCAs: d.roots(t)},
		ResponseHeaderTimeout: time.Minute,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// client is an HTTP client that follows no redirection.
func (d *deployment) client(t *testing.T) *http.Client {
	t.Helper()
	return &http.Client{Transport: d.transport(t), CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// answer is a response, read to its end.
type answer struct {
	*http.Response
	body string
}

// get sends GET as the deployment's first user.
func (d *deployment) get(t *testing.T, path string) answer {
	t.Helper()
	return d.do(t, d.client(t), d.request(t, http.MethodGet, path, nil))
}

// request makes a request as the deployment's first user. Change its headers
// before it is sent.
func (d *deployment) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = d.url(path)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(d.user, d.password)
	return req
}

// do sends a request; no answer at all fails the test.
func (d *deployment) do(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	a, err := send(c, req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return a
}

// send sends a request and reads the whole answer.
func send(c *http.Client, req *http.Request) (answer, error) {
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body)}, err
}

// login tells with what status the front door answers to a name and a password.
func (d *deployment) login(t *testing.T, user, password string) int {
	t.Helper()
	req := d.request(t, http.MethodGet, "/v2/", nil)
	req.SetBasicAuth(user, password)
	return d.do(t, d.client(t), req).StatusCode
}
