package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
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
