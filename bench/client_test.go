package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// testDoor leads to a registry in this process that wants a password.
func testDoor(t *testing.T) *door {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "a" || password != "secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	d := door{ctx: t.Context(), host: "example.com", tls: &tls.Config{RootCAs: roots, ServerName: "example.com"},
		dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		}}
	return d.as("a", "secret")
}

func TestPushAndPull(t *testing.T) {
	d := testDoor(t)
	far := d.distant(4 * time.Millisecond)
	blobs := []*content{newContent(1, 10), newContent(2, 3*blockSize+5), newContent(3, 1<<10)}
	pushes := []func(*content) error{
		func(c *content) error { return onClient(t, d, func(k *client) error { return k.push(repository, c) }) },
		func(c *content) error {
			return onClient(t, far, func(k *client) error { return k.push(repository, c) })
		},
		func(c *content) error { return d.web().push(c, 64<<20) },
	}
	for i, blob := range blobs {
		if err := pushes[i](blob); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
		if err := onClient(t, far, func(k *client) error { return k.pull(repository, blob) }); err != nil {
			t.Errorf("pull %d: %v", i, err)
		}
		if err := d.web().pull(blob, 64<<20); err != nil {
			t.Errorf("pull %d with the standard client: %v", i, err)
		}
		if err := (&stack{door: d}).verify(blob); err != nil {
			t.Errorf("verify %d: %v", i, err)
		}
	}
}

// A load generator that took an error page for a layer would measure nothing.
func TestAnotherAnswerIsAnError(t *testing.T) {
	d := testDoor(t)
	missing := newContent(9, 100)
	stranger := d.as("a", "wrong")
	short := newContent(10, 100)
	if err := d.web().push(short, 0); err != nil {
		t.Fatal(err)
	}
	cut := *short
	cut.size = 200
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a blob that is not there":  {onClient(t, d, func(k *client) error { return k.pull(repository, missing) }), "status 404"},
		"a wrong password":          {onClient(t, stranger, func(k *client) error { return k.push(repository, missing) }), "status 401, not 202: who are you"},
		"another length":            {onClient(t, d, func(k *client) error { return k.pull(repository, &cut) }), "100 bytes, not 200"},
		"the standard client":       {d.web().pull(missing, 0), "status 404"},
		"its length":                {d.web().pull(&cut, 0), "100 bytes, not 200"},
		"its password":              {stranger.web().push(missing, 0), "who are you"},
		"one connection after that": {onClient(t, d, func(k *client) error { k.pull(repository, missing); return k.pull(repository, short) }), ""},
	} {
		switch {
		case test.want == "" && test.err != nil:
			t.Errorf("%s: %v", name, test.err)
		case test.want != "" && (test.err == nil || !strings.Contains(test.err.Error(), test.want)):
			t.Errorf("%s: error %v, want one with %q", name, test.err, test.want)
		}
	}
}

func onClient(t *testing.T, d *door, run func(*client) error) error {
	t.Helper()
	c, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	return run(c)
}

func TestDistanceDelaysAndDoesNotThrottle(t *testing.T) {
	const (
		rtt   = 60 * time.Millisecond
		parts = 2000
	)
	near, other := net.Pipe()
	f := newFar(near, rtt/2)
	part := make([]byte, 16<<10)
	began := time.Now()
	go func() {
		io.CopyN(io.Discard, other, parts*int64(len(part)))
		other.Write([]byte("!"))
	}()
	for range parts {
		if _, err := f.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	reply := make([]byte, 10)
	n, err := f.Read(reply)
	took := time.Since(began)
	if err != nil || string(reply[:n]) != "!" {
		t.Fatalf("read %q, %v", reply[:n], err)
	}
	if took < rtt {
		t.Errorf("there and back in %s, less than %s", took, rtt)
	}
	// One after the other they would take a minute.
	if took > 20*time.Second {
		t.Errorf("%d writes took %s: each waited for the one before", parts, took)
	}
	other.Close()
	if _, err := f.Read(reply); err != io.EOF {
		t.Errorf("after the other end closed: %v, want EOF", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
