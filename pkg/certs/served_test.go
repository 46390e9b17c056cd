package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

func TestServedIsWhatIsOnDisk(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "localhost")
	p, disk, err := l.Store.Live("localhost")
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, p)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "anything.example"} {
		got, err := Served(t.Context(), addr, name)
		if err != nil {
			t.Fatal(err)
		}
		if got.Fingerprint != disk.Fingerprint || got.DaysLeft(now) != disk.DaysLeft(now) {
			t.Errorf("served %+v, on disk %+v", got, disk)
		}
	}
	// An expired one is shown too: that is what the question is for.
	self := mint(t, minted{}, nil, func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Hour) })
	got, err := Served(t.Context(), serve(t, Pair{[]byte(self.pem()), []byte(self.keyPEM(t))}), "reg.example.com")
	if err != nil || got.Fingerprint != leafOf(self.cert).Fingerprint {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestServedErrors(t *testing.T) {
	closed := listen(t, func(net.Conn) {})
	plain := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := unused.Addr().String()
	unused.Close()

	if _, err := Served(t.Context(), plain, "x"); err == nil || !errors.As(err, new(tls.RecordHeaderError)) ||
		!strings.HasPrefix(err.Error(), plain+" does not speak TLS") || advice.Of(err) == "" {
		t.Errorf("plain HTTP: %v", err)
	}
	if _, err := Served(t.Context(), closed, "x"); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("closed at once: %v", err)
	}
	if _, err := Served(t.Context(), refusing, "x"); !errors.As(err, new(*net.OpError)) {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Served(ctx, silent, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: %v", err)
	}
}

func TestRoots(t *testing.T) {
	if _, err := Roots(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	junk := tempFile(t, "ca.pem", "junk")
	if _, err := Roots(junk); err == nil || err.Error() != junk+" holds no certificate" {
		t.Errorf("got %v", err)
	}
}
