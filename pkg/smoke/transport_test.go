package smoke

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closing tells whether a body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		name     string
		url      string
		password bool
		want     error
	}{
		{"to the registry", "https://registry.test/v2/", true, nil},
		{"to the registry, its port spelt out", "https://registry.test:443/v2/", true, nil},
		{"elsewhere without the password", "https://storage.test/blob", false, nil},
		{"elsewhere with it", "https://storage.test/blob", true, errForeignHost},
		{"below the registry's name with it", "https://a.registry.test/blob", true, errForeignHost},
		{"to another port with it", "https://registry.test:8443/v2/", true, errForeignHost},
		{"plain HTTP with it", "http://registry.test/v2/", true, ErrPlainHTTP},
		{"plain HTTP without it", "http://registry.test/v2/", false, ErrPlainHTTP},
	} {
		t.Run(c.name, func(t *testing.T) {
			passed := false
			g := &guard{host: "registry.test", next: roundTripper(func(*http.Request) (*http.Response, error) {
				passed = true
				return &http.Response{StatusCode: http.StatusOK}, nil
			})}
			body := &closing{Reader: strings.NewReader("layer")}
			req := httptest.NewRequest(http.MethodPut, c.url, nil)
			req.Body = body
			if c.password {
				req.SetBasicAuth("ann", "hush")
			}
			_, err := g.RoundTrip(req)
			if !errors.Is(err, c.want) || passed != (c.want == nil) || body.closed != (c.want != nil) {
				t.Errorf("%v, passed on: %v, body closed: %v", err, passed, body.closed)
			}
		})
	}
}
