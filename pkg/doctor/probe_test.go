package doctor

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(handle)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func probe(t *testing.T, addr string) *Door {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	return Probe(ctx, Target{URL: "https://example.com", Name: "example.com", DialAddr: addr})
}

func TestProbe(t *testing.T) {
	var asked []string
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host+r.URL.Path+" "+r.Header.Get("Authorization"))
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.Header().Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(401)
	})
	d := probe(t, srv.Listener.Addr().String())
	if d.Status != 401 || d.Challenge != "basic" || d.HSTS != 730*day || d.Body != 401 || len(d.Chain) != 1 || d.Error+d.BodyError+d.DialError+d.TLSError != "" {
		t.Errorf("%+v", d)
	}
	if d.Skew < time.Hour-2*time.Second || d.Skew > time.Hour+2*time.Second {
		t.Errorf("skew %s", d.Skew)
	}
	if len(asked) != 2 || asked[0] != "GET example.com/v2/ " || !strings.HasPrefix(asked[1], "PATCH example.com/v2/") {
		t.Errorf("%q", asked)
	}
}

// A proxy that minds the size says so without the body.
func TestProbeRefusedBody(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		if r.ContentLength > 1<<20 {
			w.WriteHeader(413)
			return
		}
		w.WriteHeader(401)
	})
	if d := probe(t, srv.Listener.Addr().String()); d.Body != 413 || d.HSTS != 0 {
		t.Errorf("%+v", d)
	}
}

// One that wants the body at once minds no size.
func TestProbeContinue(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // sends 100 Continue
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	})
	if d := probe(t, srv.Listener.Addr().String()); d.Body != 100 || d.BodyError != "" {
		t.Errorf("%+v", d)
	}
}

func TestProbeNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if d := probe(t, l.Addr().String()); !strings.Contains(d.DialError, "refused") || d.Status != 0 {
		t.Errorf("%+v", d)
	}
}

func TestProbePlain(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	if d := probe(t, srv.Listener.Addr().String()); !strings.HasPrefix(d.TLSError, "no TLS") || d.DialError != "" {
		t.Errorf("%+v", d)
	}
}

// What accepts and is silent does not keep doctor waiting.
func TestProbeSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if d := Probe(ctx, Target{URL: "https://x", Name: "x", DialAddr: l.Addr().String()}); d.TLSError == "" {
		t.Errorf("%+v", d)
	}
}
