package engine

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fake is an engine that goes wrong: an HTTP server on a Unix socket that
// answers what a test tells it to. What a good engine does is tested with one.
type fake struct {
	socket string

	mu    sync.Mutex
	calls []string // "METHOD path" in order, without pings
}

// startFake serves handle on a socket and points DOCKER_HOST there. A request
// that handle leaves unanswered gets 200 and no body.
func startFake(t *testing.T, version string, handle func(http.ResponseWriter, *http.Request)) *fake {
	t.Helper()
	f := &fake{socket: filepath.Join(shortDir(t), "s")}
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", version)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/_ping" && version != "" {
			return
		}
		f.mu.Lock()
		f.calls = append(f.calls, r.Method+" "+r.URL.Path)
		f.mu.Unlock()
		handle(w, r)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	t.Setenv("DOCKER_HOST", "unix://"+f.socket)
	return f
}

func (f *fake) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.calls...)
}

// count tells how many calls contain text.
func (f *fake) count(text string) int {
	n := 0
	for _, c := range f.called() {
		if strings.Contains(c, text) {
			n++
		}
	}
	return n
}

// shortDir is a temporary directory of a short name: a socket's path has at most
// 108 bytes (unix(7)), which t.TempDir can exceed.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func connected(t *testing.T) *Client {
	t.Helper()
	c, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// refuse answers with the engine's form of an error.
func refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q}`, message)
}

// hang holds a request until the test or the client has ended.
func hang(over <-chan struct{}) func(http.ResponseWriter, *http.Request) {
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}
}
