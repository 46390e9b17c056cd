package drill

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The test program is a registry that answers, if the environment it was started
// with had this in its PATH.
const serves = "/regctl-test-serves"

func TestMain(m *testing.M) {
	if strings.Contains(os.Getenv("PATH"), serves) {
		serveForTest()
	}
	os.Exit(m.Run())
}

// serveForTest reads where from the configuration it was given, as a registry does.
func serveForTest() {
	if strings.Contains(os.Getenv("PATH"), serves+"-not") {
		os.Stderr.WriteString("no such storage driver\n")
		os.Exit(7)
	}
	text, err := os.ReadFile(os.Args[2])
	if err != nil || os.Args[1] != "serve" || os.Getenv("REGISTRY_STORAGE") != "" {
		os.Exit(2)
	}
	_, socket, _ := strings.Cut(string(text), "addr: \"")
	socket, _, _ = strings.Cut(socket, "\"")
	l, err := net.Listen("unix", socket)
	if err != nil {
		os.Exit(3)
	}
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }))
}

func TestRegistryStartsAndStops(t *testing.T) {
	t.Setenv("PATH", serves)
	t.Setenv("REGISTRY_STORAGE", "inmemory") // must not reach it
	t.Setenv("TMPDIR", t.TempDir())
	r, err := Start(t.Context(), os.Args[0], "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.gone(); err != nil {
		t.Error(err)
	}
	conf, err := os.ReadFile(filepath.Join(r.dir, "config.yml"))
	if err != nil || !strings.Contains(string(conf), `rootdirectory: "/nowhere"`) {
		t.Errorf("%s %v", conf, err)
	}
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	if err := r.gone(); err == nil {
		t.Error("it runs on")
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRegistryThatDoesNotStart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := Start(t.Context(), filepath.Join(t.TempDir(), "none"), "/nowhere"); err == nil {
		t.Error("a program that is not there was started")
	}
	t.Setenv("PATH", serves+"-not")
	_, err := Start(t.Context(), os.Args[0], "/nowhere")
	if err == nil || !strings.Contains(err.Error(), "the registry ended (exit status 7): no such storage driver") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, os.Args[0], "/nowhere"); err == nil {
		t.Error("it started although that was given up")
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
