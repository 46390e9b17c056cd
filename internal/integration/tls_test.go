//go:build integration

package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testTLS shakes hands with the front door in ways that it has to accept or
// refuse.
func testTLS(t *testing.T, d *deployment) {
	for _, c := range []struct {
		name     string
		min, max uint16
		ok       bool
	}{
		{"TLS 1.0", tls.VersionTLS10, tls.VersionTLS10, false},
		{"TLS 1.1", tls.VersionTLS11, tls.VersionTLS11, false},
		{"TLS 1.2", tls.VersionTLS12, tls.VersionTLS12, true},
		{"TLS 1.3", tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: d.roots(t), ServerName: d.domain, MinVersion: c.min, MaxVersion: c.max})
			if (err == nil) != c.ok {
				t.Fatalf("handshake: %v, want success: %v", err, c.ok)
			}
			if err == nil {
				conn.Close()
			} else if !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("refused because of something else: %v", err)
			}
		})
	}
	t.Run("no cipher without forward secrecy", func(t *testing.T) {
		_, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: d.roots(t), ServerName: d.domain, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}})
		if err == nil {
			t.Error("accepted")
		}
	})
	t.Run("no HTTP/2", func(t *testing.T) {
		conn, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: d.roots(t), ServerName: d.domain, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("ALPN chose %q", got)
		}
	})
	t.Run("no session tickets", func(t *testing.T) {
		// Under TLS 1.2 openssl prints a ticket when the server sends one; a session
		// kept by the server has an ID instead. An address it reads from the command
		// line, the request from standard input.
		p := startProcess(t, nil, "GET /v2/ HTTP/1.0\r\n\r\n", "openssl", "s_client", "-connect", d.address(), "-servername", d.domain,
			"-CAfile", d.ca(), "-verify_return_error", "-tls1_2", "-ign_eof")
		r := p.wait(t)
		if strings.Contains(r.stdout, "session ticket") || !strings.Contains(r.stdout, "Session-ID:") {
			t.Errorf("%v", r)
		}
	})
	t.Run("verifies by address too", func(t *testing.T) {
		// Docker and others on this host may use 127.0.0.1 for localhost.
		conn, err := tls.Dial("tcp", d.address(), &tls.Config{RootCAs: d.roots(t), ServerName: "127.0.0.1"})
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
}

// testPlainOnTLS: whoever forgets the s is told so.
func testPlainOnTLS(t *testing.T, d *deployment) {
	got := plainHTTP(t, d.httpsPort, "GET /v2/ HTTP/1.1\r\nHost: "+d.host()+"\r\nConnection: close\r\n\r\n")
	if got.StatusCode != http.StatusBadRequest {
		t.Errorf("%s, want 400", got.Status)
	}
	if _, message := registryError(t, got); !strings.Contains(message, "HTTPS") {
		t.Errorf("message %q", message)
	}
}

// testPort80: plain HTTP answers a certificate authority's question and nothing
// else, above all no request with a password in it.
func testPort80(t *testing.T, d *deployment) {
	d.write(t, "acme/.well-known/acme-challenge/token-1", "token-1.thumbprint")
	d.write(t, "acme/secret", "not for everybody")
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/.well-known/acme-challenge/token-1", 200, "token-1.thumbprint"},
		{"HEAD", "/.well-known/acme-challenge/token-1", 200, ""},
		{"GET", "/.well-known/acme-challenge/token-2", 404, ""},
		{"GET", "/.well-known/acme-challenge/", 403, ""},
		{"GET", "/.well-known/acme-challenge/../../secret", 404, ""},
		{"GET", "/.well-known/acme-challenge/%2e%2e/%2e%2e/secret", 404, ""},
		{"POST", "/.well-known/acme-challenge/token-1", 403, ""},
		{"GET", "/secret", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/v2/", 404, ""},
		{"GET", "/v2/_catalog", 404, ""},
		{"GET", "/healthz", 404, ""},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			got := plainHTTP(t, d.httpPort, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", c.method, c.path, d.domain))
			if got.StatusCode != c.status {
				t.Errorf("%s, want %d", got.Status, c.status)
			}
			if c.body != "" && got.body != c.body {
				t.Errorf("body %q, want %q", got.body, c.body)
			}
			if strings.Contains(got.body, "not for everybody") {
				t.Errorf("a file outside the ACME path is served")
			}
			if server := got.Header.Get("Server"); server != "nginx" {
				t.Errorf("Server %q", server)
			}
		})
	}
}

// plainHTTP sends bytes to a published port, as they are.
func plainHTTP(t *testing.T, port int, request string) answer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}
