//go:build integration

package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testLeftovers has everything of repositories deleted, by manifest and by blob, also
// where others are nested in them. Then they are gone from the catalog, with what the
// registry left of them; a repository to which somebody uploads stays, and so does
// what nobody knows.
func testLeftovers(t *testing.T, f *front) {
	was := f.catalog(t)
	kept := []string{"nest/a/stays", "nest/stays"}
	gone := []string{"nest", "nest/a", "nest/a/b/c", "nest/deep/er"}
	for _, repo := range append(gone, kept...) {
		f.pushRandom(t, repo+":v1", 2)
	}
	blob := f.pushBlob(t, "nest/deep/er", "a layer that no manifest has")
	upload := f.expect(t, http.StatusAccepted, f.boss(), http.MethodPost, "/v2/nest/upload/blobs/uploads/", "").Header.Get("Location")
	for _, repo := range gone {
		f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/"+repo+"/manifests/"+f.digest(t, repo+":v1"), "")
	}
	f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/nest/deep/er/blobs/"+blob, "")
	if now := f.catalog(t); !strings.Contains(now, "nest/a/b/c") {
		t.Errorf("the registry itself forgets what is deleted: %s", now)
	}
	// What 3.x leaves when it is killed while it writes: a file beside the one that it
	// was to become.
	repositories := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/repositories")
	blobs := filepath.Join(repositories, "../blobs/sha256")
	hex := strings.Repeat("ab", 32)
	left := []string{
		filepath.Join(repositories, "nest/deep/er/_layers/sha256", hex, "link.5d9ba2c5-1f5e-4a8e-9c3e-7b1a2c3d4e5f.tmp"),
		filepath.Join(repositories, "nest/deep/er/_manifests/revisions/sha256", hex, "link.5d9ba2c5-1f5e-4a8e-9c3e-7b1a2c3d4e5f.tmp"),
		filepath.Join(blobs, "ab", hex, "data.5d9ba2c5-1f5e-4a8e-9c3e-7b1a2c3d4e5f.tmp"),
	}
	for _, path := range left {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, "sha256:", 0o644)
	}
	strange := filepath.Join(repositories, "nest/stays/notes.txt")
	writeFile(t, strange, "a person's", 0o644)
	f.must(t, "gc", "--yes", "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s")
	want := strings.TrimSuffix(was, "]") + " " + strings.Join(kept, " ") + "]"
	if now := f.catalog(t); !sameWords(now, want) {
		t.Errorf("the catalog is %s, want %s", now, want)
	}
	for _, path := range left {
		if _, err := os.Lstat(filepath.Dir(path)); !os.IsNotExist(err) {
			t.Errorf("left: %s (%v)", path, err)
		}
	}
	for _, repo := range gone {
		for _, own := range []string{"_layers", "_manifests", "_uploads"} {
			if _, err := os.Lstat(filepath.Join(repositories, repo, own)); !os.IsNotExist(err) {
				t.Errorf("left of %s: %s (%v)", repo, own, err)
			}
		}
	}
	if err := os.Remove(strange); err != nil {
		t.Error(err)
	}
	for _, repo := range kept {
		f.whole(t, repo+":v1")
	}
	content := "what was uploaded while the registry was collected"
	a := f.ask(t, f.boss(), http.MethodPut, upload+"&digest="+sum([]byte(content)), content)
	if a.StatusCode != http.StatusCreated {
		t.Errorf("the end of the upload: %s %s", a.Status, a.body)
	}
	f.pushRandom(t, "nest/a/b/c:again", 1)
	f.whole(t, "nest/a/b/c:again")
}

// sameWords compares lists as fmt prints them, in any order.
func sameWords(a, b string) bool {
	count := map[string]int{}
	for _, w := range strings.Fields(strings.Trim(a, "[]")) {
		count[w]++
	}
	for _, w := range strings.Fields(strings.Trim(b, "[]")) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
