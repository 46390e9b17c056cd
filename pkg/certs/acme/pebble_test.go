package acme

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/regctl/regctl/pkg/certs"
)

// pebble is an ACME server with the DNS and the port 80 that it sees.
type pebble struct {
	*httptest.Server
	dns   *challtestsrv.ChallSrv
	db    *db.MemoryStore
	wfe   *wfe.WebFrontEndImpl
	web   string // the directory that its port 80 serves
	roots *x509.CertPool

	mu        sync.Mutex
	requests  []string                                          // METHOD PATH, in order
	intercept func(w http.ResponseWriter, r *http.Request) bool // true: answered
}

type pebbleOptions struct {
	nonceReject string
	strictEAB   bool
	profiles    map[string]ca.Profile
	chains      int
	httpPort    int // 0: one that serves the webroot
}

// construct keeps tests that set Pebble's environment from each other.
var construct sync.Mutex

// serveDNS starts the CA's DNS server. challtestsrv would have all those of a
// process answer from the records of the last.
func (p *pebble) serveDNS(t *testing.T, log *log.Logger) string {
	t.Helper()
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := stream.Addr().String()
	packets, err := net.ListenPacket("udp", port)
	if err != nil {
		t.Fatal(err)
	}
	construct.Lock()
	defer construct.Unlock()
	mux := dns.NewServeMux()
	dns.DefaultServeMux = mux
	if p.dns, err = challtestsrv.New(challtestsrv.Config{Log: log, DNSAddrs: []string{port}}); err != nil {
		t.Fatal(err)
	}
	p.dns.SetDefaultDNSIPv6("")
	for _, server := range []*dns.Server{{Listener: stream, Handler: mux}, {PacketConn: packets, Handler: mux}} {
		go server.ActivateAndServe()
		t.Cleanup(func() { server.Shutdown() })
	}
	return port
}

func newPebble(t *testing.T, o pebbleOptions) *pebble {
	t.Helper()
	p := &pebble{web: t.TempDir(), db: db.NewMemoryStore()}
	// Not io.Discard, which the log package does not lock for: Pebble reads what its
	// goroutines wrote with nothing but their log lines in between.
	quiet := log.New(struct{ io.Writer }{io.Discard}, "", 0)

	port := p.serveDNS(t, quiet)

	if o.httpPort == 0 {
		front := httptest.NewServer(http.FileServer(http.Dir(p.web)))
		t.Cleanup(front.Close)
		o.httpPort = front.Listener.Addr().(*net.TCPAddr).Port
	}
	if o.profiles == nil {
		o.profiles = map[string]ca.Profile{
			"default":    {Description: "ninety days", ValidityPeriod: 90 * 86400},
			"shortlived": {Description: "a week", ValidityPeriod: 160 * 3600},
		}
	}
	construct.Lock()
	defer construct.Unlock()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": o.nonceReject, "PEBBLE_AUTHZREUSE": "0"} {
		if value == "" {
			value = "0"
		}
		os.Setenv(name, value)
	}
	authority := ca.New(quiet, p.db, "", "ecdsa", o.chains, 1, o.profiles)
	validator := va.New(quiet, o.httpPort, 1, true, port, p.db)
	front := wfe.New(quiet, p.db, validator, authority, []string{"pebble.test"}, true, o.strictEAB, 1, 1)
	p.wfe = &front
	handler := front.Handler()
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r.Method+" "+r.URL.Path)
		intercept := p.intercept
		p.mu.Unlock()
		if intercept == nil || !intercept(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	p.Config.ErrorLog = quiet
	t.Cleanup(p.Close)
	p.roots = x509.NewCertPool()
	p.roots.AddCert(p.Certificate())
	return p
}

// on has f look at every request first; it says whether it answered.
func (p *pebble) on(f func(w http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intercept = f
}

func (p *pebble) count(part string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// issuer is one at this server, by http-01, with an account directory of its own.
func (p *pebble) issuer(t *testing.T) *Issuer {
	return &Issuer{
		Directory: p.URL + "/dir", Roots: p.roots, Accounts: Accounts{filepath.Join(t.TempDir(), "private", "acme")},
		AgreeTOS: true, Webroot: &Webroot{p.web}, Agent: "regctl/test", Log: t.Logf,
	}
}

// setRenewalInfo makes the server answer so for a pair's certificate.
func (p *pebble) setRenewalInfo(t *testing.T, pair certs.Pair, answer string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"Certificate": string(pair.Fullchain), "ARIResponse": answer})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/set-renewal-info/", bytes.NewReader(body))
	r.Header.Set("User-Agent", "test")
	p.wfe.ManagementHandler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("set-renewal-info: %d %s", w.Code, w.Body)
	}
}

// left lists the answers to challenges that are still there.
func (p *pebble) left(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(Webroot{p.web}.challengeDir())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// answer is a problem document as a CA sends one.
func answer(w http.ResponseWriter, status int, problem, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Replay-Nonce", "none")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":%q,"detail":%q,"status":%d}`, "urn:ietf:params:acme:error:"+problem, detail, status)
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func rootsOf(path string) (*x509.CertPool, error) { return certs.Roots(path) }
