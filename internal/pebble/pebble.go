// Package pebble is an ACME server for tests and benchmarks: Pebble, the one
// of Let's Encrypt, in this process, with a DNS server of its own. It validates
// for real, over ports of the caller's.
package pebble

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Options say how the server differs from the usual one.
type Options struct {
	HTTPPort int       // where http-01 looks, on the address that DNS says
	Log      io.Writer // gets what Pebble says; nil drops it
}

// Server is a running one.
type Server struct {
	URL    string                  // of the directory
	CAFile string                  // its own certificate, for the client to trust
	DNS    *challtestsrv.ChallSrv  // every name is 127.0.0.1 unless told otherwise
	DNSAt  string                  // host:port, UDP and TCP
	Orders atomic.Int64            // requests for a new order so far
	Hook   func(*http.Request) int // a status to answer with instead, 0 for none; set before use

	http *httptest.Server
	dns  []*dns.Server
	web  *wfe.WebFrontEndImpl
}

// Start starts a server. dir is a directory for its file.
func Start(dir string, o Options) (*Server, error) {
	// Pebble reads these when it is made.
	for name, value := range map[string]string{
		"PEBBLE_VA_NOSLEEP":          "1",
		"PEBBLE_AUTHZREUSE":          "0",
		"PEBBLE_WFE_NONCEREJECT":     "0",
		"PEBBLE_WFE_ORDERS_PER_PAGE": "100",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	out := o.Log
	if out == nil {
		out = io.Discard
	}
	logger := log.New(out, "", log.Lmicroseconds)
	s := &Server{}
	if err := s.startDNS(logger); err != nil {
		return nil, err
	}
	profiles := map[string]ca.Profile{"default": {Description: "default"}}
	store := db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(logger, o.HTTPPort, 0, true, s.DNSAt, store)
	web := wfe.New(logger, store, validator, authority, []string{"pebble.letsencrypt.org"}, true, false, 1, 1)
	s.web = &web
	handler := web.Handler()
	s.http = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/order-plz" {
			s.Orders.Add(1)
		}
		if s.Hook != nil {
			if status := s.Hook(r); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		handler.ServeHTTP(w, r)
	}))
	s.URL = s.http.URL + wfe.DirectoryPath
	s.CAFile = filepath.Join(dir, "acme-server.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	return s, os.WriteFile(s.CAFile, block, 0o644)
}

// muxes keeps servers that are made at the same time from each other's records:
// challtestsrv puts its own where all of a process would answer from.
var muxes sync.Mutex

func (s *Server) startDNS(logger *log.Logger) error {
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.DNSAt = stream.Addr().String()
	packets, err := net.ListenPacket("udp", s.DNSAt)
	if err != nil {
		return errors.Join(err, stream.Close())
	}
	muxes.Lock()
	defer muxes.Unlock()
	mux := dns.NewServeMux()
	dns.DefaultServeMux = mux
	if s.DNS, err = challtestsrv.New(challtestsrv.Config{Log: logger, DNSAddrs: []string{s.DNSAt}}); err != nil {
		return err
	}
	s.DNS.SetDefaultDNSIPv6("")
	s.dns = []*dns.Server{{Listener: stream, Handler: mux}, {PacketConn: packets, Handler: mux}}
	for _, d := range s.dns {
		go d.ActivateAndServe() // until Close
	}
	return nil
}

// Close ends the server.
func (s *Server) Close() {
	s.http.Close()
	for _, d := range s.dns {
		_ = d.Shutdown() // one that has not begun yet ends with the process
	}
}

// Root is the PEM certificate of the CA that issues.
func (s *Server) Root() ([]byte, error) {
	r := httptest.NewRecorder()
	s.web.ManagementHandler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, wfe.RootCertPath+"0", nil))
	if r.Code != http.StatusOK {
		return nil, fmt.Errorf("the CA's certificate: %d %s", r.Code, r.Body)
	}
	return r.Body.Bytes(), nil
}

// SetRenewalInfo sets the answer about renewal (ARI) for a certificate in PEM:
// any text, also one that is no JSON.
func (s *Server) SetRenewalInfo(certificate []byte, answer string) error {
	body, err := json.Marshal(map[string]string{"Certificate": string(certificate), "ARIResponse": answer})
	if err != nil {
		return err
	}
	r := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodPost, "/set-renewal-info/", bytes.NewReader(body))
	req.Header.Set("User-Agent", "regctl-test") // it insists
	s.web.ManagementHandler().ServeHTTP(r, req)
	if r.Code/100 != 2 {
		return fmt.Errorf("set renewal info: %d %s", r.Code, r.Body)
	}
	return nil
}
