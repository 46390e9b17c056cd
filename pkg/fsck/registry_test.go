package fsck

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// A registry of which nothing comes any more in the middle of a blob or manifest is
// given up, so that the next source can be asked; one that is slow is not.
func TestRegistryThatStalls(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Length", "8")
		for range 4 {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
		if strings.Contains(r.URL.Path, "/stalls/") {
			<-stalled
			return
		}
		io.WriteString(w, "xxxx")
	}))
	defer server.Close()
	defer close(stalled)
	source, err := OpenRegistry(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	digest := storage.SHA256.Of([]byte("xxxxxxxx"))
	read := func(repository string, manifest bool) ([]byte, error) {
		r, err := source.Open(t.Context(), Want{Digest: digest, Manifest: manifest, Repositories: []string{repository}})
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	for _, manifest := range []bool{false, true} {
		source.stall = time.Second
		if data, err := read("stalls", manifest); err == nil || !strings.HasSuffix(err.Error(), ": nothing came for 1s") {
			t.Errorf("manifest %v: %q, %v", manifest, data, err)
		}
		source.stall = time.Minute
		if data, err := read("slow", manifest); err != nil || string(data) != "xxxxxxxx" {
			t.Errorf("manifest %v: %q, %v", manifest, data, err)
		}
	}
}
