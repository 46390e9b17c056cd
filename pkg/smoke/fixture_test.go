package smoke_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/regctl/regctl/pkg/smoke"
)

const (
	host     = "registry.test"
	user     = "admin"
	password = "correct-horse-9"

	// uploadState stands for what Distribution puts into an upload's Location,
	// and wants back.
	uploadState = "c2lnbmVkIGJ5IHRoZSByZWdpc3RyeQ"
)

// wrap puts something between a client and what comes next.
type wrap func(next http.Handler) http.Handler

// front is a registry behind TLS and a password, with what the client library's
// own in-memory registry lacks: deleting a manifest takes its tags along, and an
// upload can be aborted.
type front struct {
	server *httptest.Server
	blobs  *blobStore
	roots  *x509.CertPool

	mu      sync.Mutex
	tags    map[string]string // path of the tag's manifest to its digest
	uploads map[string]bool   // path
	digests map[string]bool   // paths of manifests
	aborted int               // uploads
}

// newFront starts a front door with a good certificate and the faults around it,
// the last outermost.
func newFront(t *testing.T, faults ...wrap) *front {
	t.Helper()
	return newFrontWith(t, leafOptions{names: []string{host, "localhost"}}, faults...)
}

// newFrontWith is newFront with a certificate as asked for.
func newFrontWith(t *testing.T, leaf leafOptions, faults ...wrap) *front {
	t.Helper()
	return start(t, leaf, false, faults...)
}

// newHTTP2Front is newFront over HTTP/2.
func newHTTP2Front(t *testing.T, faults ...wrap) *front {
	t.Helper()
	return start(t, leafOptions{names: []string{host}}, true, faults...)
}

func start(t *testing.T, leaf leafOptions, http2 bool, faults ...wrap) *front {
	t.Helper()
	ca := newCA(t)
	f := &front{
		blobs: &blobStore{m: map[string][]byte{}}, roots: ca.pool,
		tags: map[string]string{}, uploads: map[string]bool{}, digests: map[string]bool{},
	}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(f.blobs))
	handler := f.complete(inner)
	handler = basicAuth(handler)
	for _, w := range faults {
		handler = w(handler)
	}
	f.server = httptest.NewUnstartedServer(handler)
	f.server.EnableHTTP2 = http2
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{*ca.leaf(t, leaf)}}
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f
}

func (f *front) addr() string { return f.server.Listener.Addr().String() }

// target is one that this front door satisfies.
func (f *front) target() smoke.Target {
	return smoke.Target{Host: host, DialAddr: f.addr(), Roots: f.roots, Username: user, Password: password, Size: 256<<10 - 1}
}

func basicAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			registryError(w, http.StatusUnauthorized, "UNAUTHORIZED")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// registryError answers as a registry does.
func registryError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, `{"errors":[{"code":"`+code+`","message":"as the test wants it","detail":null}]}`)
}

// complete adds what the in-memory registry lacks, and keeps the books.
func (f *front) complete(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upload := strings.Contains(r.URL.Path, "/blobs/uploads/")
		manifest := strings.Contains(r.URL.Path, "/manifests/")
		if upload && r.Method != http.MethodPost && r.FormValue("_state") != uploadState {
			registryError(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID")
			return
		}
		if upload && r.Method == http.MethodDelete {
			f.mu.Lock()
			known := f.uploads[r.URL.Path]
			delete(f.uploads, r.URL.Path)
			f.aborted++
			f.mu.Unlock()
			if !known {
				registryError(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
				return
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		// Where the library's registry answers 500.
		if blob := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; r.Method == http.MethodDelete && !manifest && !f.blobs.has(blob) {
			registryError(w, http.StatusNotFound, "BLOB_UNKNOWN")
			return
		}
		seen := &seenWriter{ResponseWriter: w, status: http.StatusOK}
		inner.ServeHTTP(seen, r)

		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case upload && r.Method == http.MethodPost && seen.status == http.StatusAccepted:
			f.uploads[seen.location] = true
		case upload && r.Method == http.MethodPut && seen.status == http.StatusCreated:
			delete(f.uploads, r.URL.Path)
		case manifest && r.Method == http.MethodPut && seen.status == http.StatusCreated:
			digest := seen.Header().Get("Docker-Content-Digest")
			base := r.URL.Path[:strings.LastIndex(r.URL.Path, "/")+1]
			f.digests[base+digest] = true
			if r.URL.Path != base+digest {
				f.tags[r.URL.Path] = base + digest
			}
		case manifest && r.Method == http.MethodDelete && seen.status == http.StatusAccepted:
			delete(f.digests, r.URL.Path)
			for tag, at := range f.tags {
				if at == r.URL.Path {
					delete(f.tags, tag)
					inner.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, (&url.URL{Path: tag}).String(), nil))
				}
			}
		}
	})
}

// contents lists what the registry holds.
func (f *front) contents() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range []map[string]bool{f.digests, f.uploads} {
		for path := range m {
			all = append(all, path)
		}
	}
	for tag := range f.tags {
		all = append(all, tag)
	}
	return append(all, f.blobs.list()...)
}

// seenWriter remembers what it passes on.
type seenWriter struct {
	http.ResponseWriter
	status   int
	location string
}

func (s *seenWriter) WriteHeader(status int) {
	s.status, s.location = status, s.Header().Get("Location")
	if s.location != "" {
		s.Header().Set("Location", s.location+"?_state="+uploadState)
	}
	s.ResponseWriter.WriteHeader(status)
}
