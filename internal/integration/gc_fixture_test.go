//go:build integration

package integration

import (
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// collected is what `regctl gc --json` says.
type collected struct {
	DryRun       bool `json:"dry_run"`
	Repositories int
	Manifests    struct{ Kept, Deleted int }
	Tags         struct{ Kept, Deleted int }
	Blobs        struct{ Total, Kept, Deleted int }
	Bytes        struct{ Kept, Freed int64 }
	HoldMS       int64 `json:"hold_ms"`
	DurationMS   int64 `json:"duration_ms"`
	Problems     []struct{ ID, Repository, Digest, Path, Message string }
}

// gc collects everything that nothing needs at this very moment.
func (d *deployment) gc(t *testing.T, args ...string) collected {
	t.Helper()
	var out collected
	d.must(t, append([]string{"gc", "--yes", "--json", "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s"}, args...)...).json(t, &out)
	return out
}

// whole pulls an image or an index with all that it consists of.
func (f *front) whole(t *testing.T, image string) {
	t.Helper()
	if err := f.tryWhole(t, image); err != nil {
		t.Errorf("%s: %v", image, err)
	}
}

func (f *front) tryWhole(t *testing.T, image string) error {
	repo, ref, ok := strings.Cut(image, "@")
	if !ok {
		repo, ref, _ = strings.Cut(image, ":")
	}
	return f.wholeManifest(t, repo, ref, -1)
}

// wholeManifest reads a manifest of that size, -1 for any, and all below it, and
// compares digests and sizes.
func (f *front) wholeManifest(t *testing.T, repo, ref string, size int) error {
	accept := header{"Accept", ociManifest + ", application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"}
	a, err := f.tryAsk(t, f.boss(), http.MethodGet, "/v2/"+repo+"/manifests/"+ref, "", accept)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("manifest %s: %s %s", ref, a.Status, a.body)
	}
	if got := sum([]byte(a.body)); got != a.Header.Get("Docker-Content-Digest") || strings.HasPrefix(ref, "sha256:") && got != ref {
		return fmt.Errorf("manifest %s: its content is %s", ref, got)
	}
	if size >= 0 && size != len(a.body) {
		return fmt.Errorf("manifest %s: %d bytes, not %d", ref, len(a.body), size)
	}
	type descriptor struct {
		Digest string
		Size   int
	}
	var m struct {
		Config            descriptor
		Layers, Manifests []descriptor
	}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		return err
	}
	for _, child := range m.Manifests {
		if err := f.wholeManifest(t, repo, child.Digest, child.Size); err != nil {
			return err
		}
	}
	blobs := m.Layers
	if m.Config.Digest != "" {
		blobs = append(blobs, m.Config)
	}
	if len(blobs)+len(m.Manifests) == 0 {
		return fmt.Errorf("manifest %s has nothing in it: %s", ref, a.body)
	}
	for _, b := range blobs {
		a, err := f.tryAsk(t, f.boss(), http.MethodGet, "/v2/"+repo+"/blobs/"+b.Digest, "")
		if err != nil {
			return err
		}
		got := sum([]byte(a.body))
		if strings.HasPrefix(b.Digest, "sha512:") {
			got = fmt.Sprintf("sha512:%x", sha512.Sum512([]byte(a.body)))
		}
		if a.StatusCode != http.StatusOK || got != b.Digest || len(a.body) != b.Size {
			return fmt.Errorf("blob %s: %s, its content is %s", b.Digest, a.Status, got)
		}
	}
	return nil
}

// pushIndex pushes an index of so many images and returns its digest.
func (f *front) pushIndex(t *testing.T, image string, children int64) string {
	t.Helper()
	index, err := random.Index(16<<10, 2, children)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(f.ref(t, image), index, f.as(t, f.boss())...); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// stored is all that the registry keeps, with sums, modes, owners and times.
func (d *deployment) stored(t *testing.T) string {
	t.Helper()
	root := filepath.Join(d.volume(t, "registry-data"), "docker")
	return tool(t, "sh", "-c", `cd "$1" && find . -type f -printf '%p %m %U %G %s %T@\n' | sort && find . -type f -exec sha256sum {} + | sort -k 2`, "sh", root)
}

// catalog is the list of repositories.
func (f *front) catalog(t *testing.T) string {
	t.Helper()
	var out struct{ Repositories []string }
	decode(t, f.expect(t, http.StatusOK, f.boss(), http.MethodGet, "/v2/_catalog?n=1000", "").body, &out)
	return fmt.Sprint(out.Repositories)
}

// noHold makes sure that nothing holds writes back.
func (f *front) noHold(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(f.volume(t, "registry-data"), ".regctl", "hold")); !os.IsNotExist(err) {
		t.Errorf("the hold is still there: %v", err)
	}
}

// left lists the one-off containers of the stack.
func (d *deployment) left(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "docker", "ps", "--all", "--quiet", "--filter", "label=io.regctl.once="+d.project))
}

// attach pushes a referrer of a manifest, as a signature or an SBOM is, and
// returns its digest.
func (f *front) attach(t *testing.T, repo, subject string, size int) string {
	t.Helper()
	blob := f.pushBlob(t, repo, "an attestation of "+subject)
	empty := f.pushBlob(t, repo, "{}")
	m, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example.attestation",
		"config":  map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
		"layers":  []any{map[string]any{"mediaType": "text/plain", "digest": blob, "size": len("an attestation of " + subject)}},
		"subject": map[string]any{"mediaType": ociManifest, "digest": subject, "size": size},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest := sum(m)
	f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, "/v2/"+repo+"/manifests/"+digest, string(m), ociType)
	return digest
}
