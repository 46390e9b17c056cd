package smoke_test

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/regctl/regctl/pkg/smoke"
)

// bothListener is a port that takes TLS and plain HTTP, as a port does that a
// thief of passwords listens on: connections that begin with a TLS record go to
// tls, the others are counted and kept.
type bothListener struct {
	net.Listener
	plain http.Handler
}

func (l bothListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in := bufio.NewReader(conn)
		if first, err := in.Peek(1); err != nil {
			conn.Close()
		} else if peeked := (peekedConn{conn, in}); first[0] == 0x16 { // a TLS handshake record
			return peeked, nil
		} else {
			one := &oneListener{conn: peeked}
			go http.Serve(one, l.plain)
		}
	}
}

type peekedConn struct {
	net.Conn
	in *bufio.Reader
}

func (c peekedConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// oneListener gives one connection and then fails.
type oneListener struct {
	once sync.Once
	conn net.Conn
}

func (l *oneListener) Accept() (conn net.Conn, err error) {
	err = io.EOF
	l.once.Do(func() { conn, err = l.conn, nil })
	return conn, err
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return l.conn.LocalAddr() }

// The client library takes localhost, 127.0.0.1 and private addresses for hosts
// that may speak plain HTTP, asks both ways and uses what answers. Here HTTPS
// fails from the second time it is asked, and plain HTTP would be glad to help.
func TestNoPlainHTTP(t *testing.T) {
	for _, name := range []string{"localhost", "127.0.0.1", host} {
		t.Run(name, func(t *testing.T) {
			var asked, plain atomic.Int32
			f := newFront(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if asked.Add(1) > 1 {
						w.WriteHeader(http.StatusBadGateway)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			// A second server on the same handler, whose port takes both.
			both := httptest.NewUnstartedServer(f.server.Config.Handler)
			both.Config.ErrorLog = log.New(io.Discard, "", 0)
			both.TLS = f.server.TLS
			both.Listener = bothListener{both.Listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				plain.Add(1)
				w.Header().Set("WWW-Authenticate", `Basic realm="thief"`)
				w.WriteHeader(http.StatusUnauthorized)
			})}
			both.StartTLS()
			defer both.Close()

			target := f.target()
			_, port, err := net.SplitHostPort(both.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			target.Host, target.DialAddr = net.JoinHostPort(name, port), both.Listener.Addr().String()
			res, err := smoke.Run(t.Context(), target, nil)
			if n := plain.Load(); n != 0 {
				t.Errorf("%d requests over plain HTTP", n)
			}
			bad := failed(res.Steps)
			if err == nil || len(bad) != 1 || bad[0].Name != smoke.StepLogin || bad[0].Cause != smoke.CauseBackend {
				t.Errorf("%v, %+v", err, bad)
			}
		})
	}
}

// The whole of a run against a host for which the library would try plain HTTP.
func TestLocalhost(t *testing.T) {
	f := newFront(t)
	for _, name := range []string{"localhost", "127.0.0.1"} {
		target := f.target()
		_, port, err := net.SplitHostPort(f.addr())
		if err != nil {
			t.Fatal(err)
		}
		target.Host, target.DialAddr = net.JoinHostPort(name, port), ""
		if name == "localhost" {
			target.DialAddr = f.addr() // the server listens on IPv4 alone
		}
		if _, err := smoke.Run(t.Context(), target, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A registry whose storage is elsewhere redirects blobs. The password must not
// go along, also when the other server differs by its port alone, where
// net/http would send it.
func TestRedirectCarriesNoPassword(t *testing.T) {
	var f *front
	var fetched atomic.Int32
	var leaked atomic.Bool
	elsewhere := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		r.SetBasicAuth(user, password) // as the storage's own key would
		r.Header.Set("X-Elsewhere", "1")
		f.server.Config.Handler.ServeHTTP(w, r)
	}))
	elsewhere.Config.ErrorLog = log.New(io.Discard, "", 0)
	f = newFront(t, when(onBlob, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if r.Header.Get("X-Elsewhere") != "" || !f.blobs.has(digest) {
			next.ServeHTTP(w, r)
			return
		}
		_, port, _ := net.SplitHostPort(elsewhere.Listener.Addr().String())
		http.Redirect(w, r, "https://localhost:"+port+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	elsewhere.TLS = f.server.TLS
	elsewhere.StartTLS()
	defer elsewhere.Close()

	for _, name := range []string{host, "localhost"} {
		fetched.Store(0)
		target := f.target()
		if name == "localhost" {
			_, port, err := net.SplitHostPort(f.addr())
			if err != nil {
				t.Fatal(err)
			}
			target.Host = net.JoinHostPort(name, port)
		}
		if _, err := smoke.Run(t.Context(), target, nil); err != nil {
			t.Errorf("from %s: %v", name, err)
		}
		if n := fetched.Load(); n != 7 { // the image: two layers and a config; each child: one of both
			t.Errorf("from %s: %d blobs fetched elsewhere", name, n)
		}
	}
	if leaked.Load() {
		t.Error("the password went along with a redirect")
	}
}
