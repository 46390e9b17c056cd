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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// serve answers TLS handshakes on a loopback port with p, until the test ends.
func serve(t testing.TB, p Pair) (addr string) {
	t.Helper()
	cert, err := tls.X509KeyPair(p.Fullchain, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, func(c net.Conn) {
		// The error is the client's to judge.
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
	})
}

func listen(t testing.TB, handle func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// shake is a client that trusts roots alone and calls the server name.
func shake(addr, name string, roots *x509.CertPool, at time.Time) error {
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: roots, Time: func() time.Time { return at }})
	if err != nil {
		return err
	}
	return c.Close()
}

// What Go clients (docker, containerd, podman, crane) and OpenSSL ones (curl,
// Nginx as a mirror) say to what the local CA issues for each kind of name.
func TestClientsVerify(t *testing.T) {
	tests := []struct {
		names   []string
		good    []string
		refused []string
	}{
		{[]string{"reg.example.lan"}, []string{"reg.example.lan"}, []string{"example.lan", "x.reg.example.lan", "127.0.0.1"}},
		{[]string{"localhost"}, []string{"localhost", "127.0.0.1", "::1"}, []string{"x.localhost", "127.0.0.2", "example.com"}},
		{[]string{"192.0.2.7"}, []string{"192.0.2.7"}, []string{"192.0.2.8", "::1", "localhost"}},
		{[]string{"2001:db8::7"}, []string{"2001:db8::7"}, []string{"2001:db8::8", "127.0.0.1"}},
		{[]string{"registry", "10.1.2.3", "reg.lan"}, []string{"registry", "10.1.2.3", "reg.lan"}, []string{"10.1.2.4", "lan"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.names, " "), func(t *testing.T) {
			l := newLocalCA(t)
			mustEnsure(t, l, now, tt.names...)
			p, _, err := l.Store.Live(tt.names[0])
			if err != nil {
				t.Fatal(err)
			}
			roots, err := Roots(l.CertPath())
			if err != nil {
				t.Fatal(err)
			}
			addr := serve(t, p)
			for _, name := range tt.good {
				if err := shake(addr, name, roots, now); err != nil {
					t.Errorf("Go refuses %s: %v", name, err)
				}
				if out, code := opensslVerify(t, l.CertPath(), p, name); code != nil {
					t.Errorf("OpenSSL refuses %s: %s", name, out)
				}
			}
			for _, name := range tt.refused {
				var wrong x509.HostnameError
				if err := shake(addr, name, roots, now); !errors.As(err, &wrong) {
					t.Errorf("Go on %s: %v", name, err)
				}
				if out, code := opensslVerify(t, l.CertPath(), p, name); code == nil {
					t.Errorf("OpenSSL takes %s: %s", name, out)
				}
			}
			var stranger x509.UnknownAuthorityError
			if err := shake(addr, tt.good[0], x509.NewCertPool(), now); !errors.As(err, &stranger) {
				t.Errorf("without the CA: %v", err)
			}
		})
	}
}

// The CA's key in the wrong hands is of no use against any other name, of any
// type, nor to make another CA.
func TestCAIsGoodForItsNamesOnly(t *testing.T) {
	tests := []struct {
		names []string
		evil  []string
	}{
		{[]string{"reg.example.lan"}, []string{"example.com", "example.lan", "192.0.2.7", "127.0.0.1", "2001:db8::7", "::1"}},
		{[]string{"localhost"}, []string{"example.com", "192.0.2.7", "2001:db8::7"}},
		{[]string{"192.0.2.7"}, []string{"example.com", "localhost", "192.0.2.8", "2001:db8::7"}},
		{[]string{"2001:db8::7"}, []string{"example.com", "192.0.2.7", "2001:db8::8"}},
		{[]string{"reg.lan", "192.0.2.7"}, []string{"example.com", "192.0.2.8", "2001:db8::7"}},
	}
	for _, tt := range tests {
		l := newLocalCA(t)
		mustEnsure(t, l, now, tt.names...)
		ca := l.mustLoad(t, now)
		roots, err := Roots(l.CertPath())
		if err != nil {
			t.Fatal(err)
		}
		for _, evil := range tt.evil {
			t.Run(tt.names[0]+" for "+evil, func(t *testing.T) {
				h, err := parseHosts([]string{evil})
				if err != nil {
					t.Fatal(err)
				}
				p, err := ca.issue(h, now)
				if err != nil {
					t.Fatal(err)
				}
				var invalid x509.CertificateInvalidError
				if err := shake(serve(t, p), evil, roots, now); !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
					t.Errorf("Go: %v", err)
				}
				// 47 and 48 are X509_V_ERR_PERMITTED_VIOLATION and _EXCLUDED_VIOLATION.
				if out, code := opensslVerify(t, l.CertPath(), p, evil); code == nil || !strings.Contains(out, "error 47 ") && !strings.Contains(out, "error 48 ") {
					t.Errorf("OpenSSL: %v %s", code, out)
				}
			})
		}
		t.Run(tt.names[0]+" for another CA", func(t *testing.T) {
			sub := mintCA(t, minted{ca.cert, ca.key}, "Sub")
			h, err := parseHosts(tt.names)
			if err != nil {
				t.Fatal(err)
			}
			p, err := (&authority{sub.cert, sub.key}).issue(h, now)
			if err != nil {
				t.Fatal(err)
			}
			p.Fullchain = append(p.Fullchain, sub.pem()...)
			var invalid x509.CertificateInvalidError
			if err := shake(serve(t, p), tt.names[0], roots, now); !errors.As(err, &invalid) || invalid.Reason != x509.TooManyIntermediates {
				t.Errorf("Go: %v", err)
			}
			if out, code := opensslVerify(t, l.CertPath(), p, tt.names[0]); code == nil || !strings.Contains(out, "error 25 ") { // X509_V_ERR_PATH_LENGTH_EXCEEDED
				t.Errorf("OpenSSL: %v %s", code, out)
			}
		})
	}
}

// opensslVerify has OpenSSL judge p for name at the instant now.
func opensslVerify(t testing.TB, ca string, p Pair, name string) (output string, err error) {
	t.Helper()
	chain := tempFile(t, "chain.pem", string(p.Fullchain))
	how := "-verify_hostname"
	if net.ParseIP(name) != nil {
		how = "-verify_ip"
	}
	out, errs, err := openssl(t, "", "verify", "-no-CApath", "-no-CAstore", "-x509_strict", "-purpose", "sslserver",
		"-attime", strconv.FormatInt(now.Unix(), 10), "-CAfile", ca, "-untrusted", chain, how, name, chain)
	return out + errs, err
}

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
