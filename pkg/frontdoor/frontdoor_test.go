package frontdoor

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain sets a proxy at which nobody listens, before anything can have read
// and kept the environment: the front door is on this host, and no proxy is
// ever asked.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	os.Exit(m.Run())
}

// knock starts a front door that answers so and knocks at it, in the name that
// its certificate has.
func knock(t *testing.T, handle http.HandlerFunc) (*x509.Certificate, *httptest.Server, error) {
	t.Helper()
	srv := serve(t, handle)
	leaf, err := door(srv).Knock(t.Context())
	return leaf, srv, err
}

func serve(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(handle)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// door knocks under a name that does not resolve: the address to dial is given.
func door(srv *httptest.Server) Door {
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return Door{URL: "https://example.com:8443", DialAddr: srv.Listener.Addr().String(), Roots: roots}
}

func answer(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"errors":[]}`)
	}
}

func TestVerdicts(t *testing.T) {
	const challenge = "WWW-Authenticate"
	tests := map[string]struct {
		handle http.HandlerFunc
		want   error  // nil: it is a registry that wants a password
		says   string // in the error
	}{
		"basic":                 {handle: answer(401, challenge, `Basic realm="example.com"`)},
		"basic, other spelling": {handle: answer(401, challenge, `bASIC realm="x"`)},
		"basic alone":           {handle: answer(401, challenge, `Basic`)},
		"token":                 {answer(401, challenge, `Bearer realm="https://auth.test"`), ErrStranger, `"Bearer"`},
		"no challenge":          {answer(401), ErrStranger, `""`},
		"basically":             {answer(401, challenge, `Basically realm="x"`), ErrStranger, `"Basically"`},
		"open":                  {answer(200), ErrOpen, "no password"},
		"bad gateway":           {answer(502), ErrNoRegistry, "502 Bad Gateway"},
		"unavailable":           {answer(503), ErrNoRegistry, "503"},
		"gateway timeout":       {answer(504), ErrNoRegistry, "504"},
		"not found":             {answer(404), ErrStranger, "404 Not Found"},
		"server error":          {answer(500), ErrStranger, "500"},
		"forbidden":             {answer(403, challenge, "Basic"), ErrStranger, "403"},
		"no content":            {answer(204), ErrStranger, "204"},
		"redirect":              {answer(302, "Location", "https://example.com/login"), ErrStranger, "302 Found"},
		"redirect to itself":    {answer(308, "Location", "/v2/"), ErrStranger, "308"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			leaf, srv, err := knock(t, func(w http.ResponseWriter, r *http.Request) {
				if asked++; r.Method != http.MethodGet || r.URL.Path != "/v2/" || r.Host != "example.com:8443" || r.Header.Get("Authorization") != "" {
					t.Errorf("asked %s %s of %s, authorization %q", r.Method, r.URL, r.Host, r.Header.Get("Authorization"))
				}
				tt.handle(w, r)
			})
			if !errors.Is(err, tt.want) || tt.want != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v, %q", err, tt.want, tt.says)
			}
			if leaf == nil || !leaf.Equal(srv.Certificate()) {
				t.Error("the certificate served is not told")
			}
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

func TestCertificate(t *testing.T) {
	srv := serve(t, answer(401, "WWW-Authenticate", "Basic"))
	wrongName := door(srv)
	wrongName.URL = "https://elsewhere.test"
	var host x509.HostnameError
	if _, err := wrongName.Knock(t.Context()); !errors.As(err, &host) {
		t.Errorf("a name that the certificate lacks: %v", err)
	}
	stranger := door(srv)
	stranger.Roots = x509.NewCertPool()
	var unknown x509.UnknownAuthorityError
	if _, err := stranger.Knock(t.Context()); !errors.As(err, &unknown) {
		t.Errorf("an authority that is not trusted: %v", err)
	}
	system := door(srv)
	system.Roots = nil
	if _, err := system.Knock(t.Context()); err == nil {
		t.Error("without roots everything is trusted")
	}
	for _, d := range []Door{wrongName, stranger, system} {
		d.AnyCertificate = true
		leaf, err := d.Knock(t.Context())
		if err != nil || leaf == nil || !leaf.Equal(srv.Certificate()) {
			t.Errorf("any certificate will do: %v, %v", leaf, err)
		}
	}
}

// The name goes into the handshake, or a server with several certificates would
// send another one than clients get.
func TestServerName(t *testing.T) {
	got := make(chan string, 1)
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.TLS.ServerName })
	if _, err := door(srv).Knock(t.Context()); !errors.Is(err, ErrOpen) {
		t.Error(err)
	}
	close(got)
	if name := <-got; name != "example.com" {
		t.Errorf("the server was asked for %q", name)
	}
}

// What is on the port may take connections and say nothing, at any stage.
func TestHanging(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // not even TLS
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	over := make(chan struct{})
	srv := serve(t, func(http.ResponseWriter, *http.Request) { <-over })
	defer close(over)

	inTLS, inHTTP := door(srv), door(srv)
	inTLS.DialAddr = silent.Addr().String()
	for name, d := range map[string]Door{"no TLS": inTLS, "no answer": inHTTP} {
		t.Run(name, func(t *testing.T) {
			d.timeout = 200 * time.Millisecond
			began := time.Now()
			_, err := d.Knock(t.Context())
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want that the time is over", err)
			}
			if took := time.Since(began); took < d.timeout || took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			d.timeout = 0 // its own bound, which is far longer
			if _, err := d.Knock(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("interrupted: error %v", err)
			}
		})
	}
}

func TestNothingThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	d := Door{URL: "https://example.com", DialAddr: l.Addr().String()}
	if leaf, err := d.Knock(t.Context()); err == nil || leaf != nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v, %v", leaf, err)
	}
}

func TestPlainHTTPOnThePort(t *testing.T) {
	srv := httptest.NewServer(answer(401, "WWW-Authenticate", "Basic"))
	defer srv.Close()
	d := Door{URL: "https://example.com", DialAddr: srv.Listener.Addr().String(), AnyCertificate: true}
	if leaf, err := d.Knock(t.Context()); err == nil || leaf != nil {
		t.Errorf("an answer without TLS was taken: %v, %v", leaf, err)
	}
}
