package preflight

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	mdns "github.com/miekg/dns"
)

// site is what http://NAME/ serves, and the answers put up there.
type site struct {
	mu      sync.Mutex
	answers map[string]string
	fail    error
	other   http.HandlerFunc
}

func (s *site) Put(token, answer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[token] = answer
	return s.fail
}

func (s *site) Remove(token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, token)
	return nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	other := s.other
	s.mu.Unlock()
	if other != nil {
		other(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, ok := s.answers[strings.TrimPrefix(r.URL.Path, "/acme/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	io.WriteString(w, answer+"\n")
}

// serve has another server answer in the place of the files.
func (s *site) serve(other http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = other
}

func newWorld(t *testing.T) (Checker, *challtestsrv.ChallSrv, *site) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dns, err := challtestsrv.New(challtestsrv.Config{Log: log.New(io.Discard, "", 0), DNSAddrs: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	dns.SetDefaultDNSIPv4("")
	dns.SetDefaultDNSIPv6("")
	dns.AddDNSARecord("reg.example.com.", []string{"127.0.0.1"})
	dns.AddDNSARecord("b.example.com.", []string{"127.0.0.1"})
	dns.Run()
	t.Cleanup(dns.Shutdown)
	for range 400 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	s := &site{answers: map[string]string{}}
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	return Checker{
		Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}},
		Servers: []string{"127.0.0.1:1", address}, HTTPPort: front.Listener.Addr().(*net.TCPAddr).Port, Timeout: 2 * time.Second,
	}, dns, s
}

// one expects findings, one for each part.
func expect(t *testing.T, got []Finding, parts ...string) {
	t.Helper()
	if len(got) != len(parts) {
		t.Fatalf("got %q, want %q", got, parts)
	}
	for i, f := range got {
		if text := f.Name + " " + f.Problem; !strings.Contains(text, parts[i]) || f.Fix == "" || strings.Contains(text, "\n") {
			t.Errorf("got %q, want %q", text, parts[i])
		}
	}
}

func TestNames(t *testing.T) {
	c, dns, _ := newWorld(t)
	dns.AddDNSServFailRecord("broken.example.com.")
	expect(t, c.Names(t.Context(), []string{"reg.example.com", "192.0.2.1", "2001:db8::1"}))
	expect(t, c.Names(t.Context(), []string{"no.example.com", "reg.example.com", "broken.example.com"}),
		"no.example.com could not be resolved", "broken.example.com could not be resolved")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &mdns.Server{Listener: l, Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
		w.WriteMsg(new(mdns.Msg).SetRcode(q, mdns.RcodeNameError))
	})}
	go server.ActivateAndServe()
	defer server.Shutdown()
	c.Resolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	}
	expect(t, c.Names(t.Context(), []string{"no.example.com"}), "no.example.com does not resolve")
}

func TestPort80(t *testing.T) {
	c, _, s := newWorld(t)
	check := func(names ...string) []Finding {
		t.Helper()
		got, err := c.Port80(t.Context(), s, "/acme/", names)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.answers) > 0 {
			t.Error("an answer was left behind")
		}
		return got
	}
	expect(t, check("reg.example.com", "b.example.com", "127.0.0.1"))
	expect(t, check("no.example.com", "127.0.0.1"), "no.example.com does not answer on port 80")
	s.serve(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	expect(t, check("reg.example.com"), "answers 404")
	s.serve(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "welcome") })
	expect(t, check("reg.example.com"), "something else")
	s.serve(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c.Timeout = 50 * time.Millisecond
	expect(t, check("reg.example.com"), "does not answer on port 80")
	c.HTTPPort, c.Timeout = 1, time.Second
	s.serve(nil)
	expect(t, check("reg.example.com"), "refused")

	// Redirected to HTTPS, with any certificate, as CAs follow.
	over := httptest.NewTLSServer(s)
	defer over.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, over.URL+r.URL.Path, http.StatusMovedPermanently)
	}))
	defer front.Close()
	c.HTTPPort = front.Listener.Addr().(*net.TCPAddr).Port
	expect(t, check("reg.example.com"))

	s.fail = errors.New("disk full")
	if _, err := c.Port80(t.Context(), s, "/acme/", []string{"reg.example.com"}); err == nil {
		t.Error("the failure was lost")
	}
}

func TestCAA(t *testing.T) {
	c, dns, _ := newWorld(t)
	ids := []string{"ca.example", "other.ca.example"}
	ask := func(name string) []Finding { return c.CAA(t.Context(), []string{name}, ids, "http-01") }
	issue := func(values ...string) (all []challtestsrv.CAAPolicy) {
		for _, v := range values {
			tag, value, _ := strings.Cut(v, " ")
			all = append(all, challtestsrv.CAAPolicy{Tag: tag, Value: value})
		}
		return all
	}
	for _, tt := range []struct {
		at      string
		records []challtestsrv.CAAPolicy
		want    string // "" for allowed
	}{
		{"reg.example.com.", nil, ""},
		{"reg.example.com.", issue("issue ca.example"), ""},
		{"reg.example.com.", issue("issue OTHER.ca.example"), ""},
		{"reg.example.com.", issue("issue else.example"), "has a CAA record at reg.example.com that forbids ca.example"},
		{"reg.example.com.", issue("issue else.example", "issue ca.example"), ""},
		{"reg.example.com.", issue("issue ;"), "forbids"},
		{"reg.example.com.", issue("iodef mailto:a@b.example"), ""},
		{"reg.example.com.", issue("issuewild else.example"), ""},
		{"reg.example.com.", issue("issue ca.example; validationmethods=dns-01"), "forbids"},
		{"reg.example.com.", issue("issue ca.example; validationmethods=dns-01,http-01"), ""},
		{"reg.example.com.", issue("issue ca.example; accounturi=https://ca.example/1"), ""},
		{"example.com.", issue("issue else.example"), "has a CAA record at example.com that"},
		{"com.", issue("issue else.example"), "has a CAA record at com that"},
	} {
		dns.AddDNSCAARecord(tt.at, tt.records)
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		expect(t, ask("reg.example.com"), want...)
		dns.DeleteDNSCAARecord(tt.at)
	}
	dns.AddDNSServFailRecord("example.com.")
	expect(t, ask("reg.example.com"), "SERVFAIL")
	expect(t, ask("192.0.2.1"))
	ids = nil
	expect(t, ask("reg.example.com"))
	c.Servers, ids = []string{"127.0.0.1:1"}, []string{"ca.example"}
	expect(t, ask("reg.example.com"))
}
