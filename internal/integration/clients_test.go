//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TestClients pushes and pulls with the clients that people use. What one has
// pushed the next one finds under the same digest.
func TestClients(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			t.Run("docker", func(t *testing.T) { testDocker(t, d) })
			t.Run("skopeo", func(t *testing.T) { testSkopeo(t, d) })
			t.Run("go-containerregistry image", func(t *testing.T) { testImage(t, d) })
			t.Run("go-containerregistry index", func(t *testing.T) { testIndex(t, d) })
			t.Run("go-containerregistry referrers", func(t *testing.T) { testReferrers(t, d) })
			t.Run("mount from another repository", func(t *testing.T) { testMount(t, d) })
		})
	}
}

// testDocker needs no CA: the engine does not verify what is on loopback.
func testDocker(t *testing.T, d *deployment) {
	docker := newDockerCLI(t)
	image := d.host() + "/docker/tiny:1"
	id := importTiny(t, image)

	refused := docker.try(t, "", "push", image)
	if refused.status == 0 || !strings.Contains(refused.stdout+refused.stderr, "no basic auth credentials") {
		t.Errorf("push without a login: %v", refused)
	}
	if r := docker.try(t, "wrong-"+d.password, "login", "--username", d.user, "--password-stdin", d.host()); r.status == 0 {
		t.Errorf("login with a wrong password: %v", r)
	}
	docker.login(t, d)
	out := docker.must(t, "push", image)
	_, rest, _ := strings.Cut(out, "digest: ")
	digest, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("push names no digest: %s", out)
	}
	if got := d.digest(t, "docker/tiny:1"); got != digest {
		t.Errorf("docker pushed %s, the registry has %s", digest, got)
	}
	docker.must(t, "image", "rm", image)
	if r := docker.try(t, "", "image", "inspect", id); r.status == 0 {
		t.Fatalf("the image is still here, so a pull would prove nothing")
	}
	if out := docker.must(t, "pull", image); !strings.Contains(out, "Digest: "+digest) {
		t.Errorf("pull by tag gives another digest than %s: %s", digest, out)
	}
	if got := imageID(t, image); got != id {
		t.Errorf("pulled image %s, pushed %s", got, id)
	}
	byDigest := d.host() + "/docker/tiny@" + digest
	removeImage(t, byDigest)
	docker.must(t, "pull", byDigest)
	docker.must(t, "logout", d.host())
	if r := docker.try(t, "", "pull", image); r.status == 0 {
		t.Errorf("pull after logout: %v", r)
	}
}

func testSkopeo(t *testing.T, d *deployment) {
	dir := t.TempDir()
	// What it is given is what containers/image takes as a directory of CAs.
	certs := filepath.Join(dir, "certs")
	pem, err := os.ReadFile(d.ca())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), pem, 0o644); err != nil {
		t.Fatal(err)
	}
	auth := filepath.Join(dir, "auth.json")
	login := startProcess(t, nil, d.password, "skopeo", "login", "--authfile", auth, "--cert-dir", certs,
		"--username", d.user, "--password-stdin", d.host())
	login.wait(t).want(t, 0)

	img, err := random.Image(256<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	path, err := layout.Write(filepath.Join(dir, "out"), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}))
	if err != nil {
		t.Fatal(err)
	}
	target := "docker://" + d.host() + "/skopeo/app:1"
	unverified := try(t, "skopeo", "--insecure-policy", "copy", "--dest-authfile", auth, "oci:"+string(path), target)
	if unverified.status == 0 || !strings.Contains(unverified.stderr, "x509") {
		t.Errorf("push without the CA: %v", unverified)
	}
	tool(t, "skopeo", "--insecure-policy", "copy", "--preserve-digests", "--dest-authfile", auth, "--dest-cert-dir", certs, "oci:"+string(path), target)
	if got, want := d.digest(t, "skopeo/app:1"), digestOf(t, img); got != want {
		t.Errorf("skopeo pushed %s, the registry has %s", want, got)
	}
	inspected := tool(t, "skopeo", "inspect", "--authfile", auth, "--cert-dir", certs, "--format", "{{.Digest}}", target)
	if got, want := strings.TrimSpace(inspected), digestOf(t, img); got != want {
		t.Errorf("skopeo inspect gives %s, want %s", got, want)
	}
	back := filepath.Join(dir, "back")
	tool(t, "skopeo", "--insecure-policy", "copy", "--preserve-digests", "--src-authfile", auth, "--src-cert-dir", certs, target, "oci:"+back)
	index, err := layout.ImageIndexFromPath(back)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest.String() != digestOf(t, img) {
		t.Errorf("skopeo pulled %v, want %s", manifest.Manifests, digestOf(t, img))
	}
	pulled, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, pulled)
}

func testImage(t *testing.T, d *deployment) {
	img, err := random.Image(1<<20, 4)
	if err != nil {
		t.Fatal(err)
	}
	ref := d.ref(t, "crane/image:1")
	if err := remote.Write(ref, img, d.remote(t)...); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Image(ref, d.remote(t)...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := digestOf(t, back), digestOf(t, img); got != want {
		t.Errorf("pulled %s, pushed %s", got, want)
	}
	checkImage(t, back)
	tags, err := remote.List(ref.Context(), d.remote(t)...)
	if err != nil || fmt.Sprint(tags) != "[1]" {
		t.Errorf("tags %v, %v", tags, err)
	}
}

func testIndex(t *testing.T, d *deployment) {
	index, err := random.Index(64<<10, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	ref := d.ref(t, "crane/index:1")
	if err := remote.WriteIndex(ref, index, d.remote(t)...); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Index(ref, d.remote(t)...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := digestOf(t, back), digestOf(t, index); got != want {
		t.Errorf("pulled %s, pushed %s", got, want)
	}
	manifest, err := back.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 3 {
		t.Errorf("the index lists %d images, want 3", len(manifest.Manifests))
	}
	for _, child := range manifest.Manifests {
		img, err := back.Image(child.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, img)
	}
}

// testReferrers attaches something to an image, as a signature or an SBOM is.
// Neither registry has the referrers API, so it comes by the fallback tag of
// the distribution spec.
func testReferrers(t *testing.T, d *deployment) {
	repo := "crane/referrers"
	d.pushRandom(t, repo+":1", 1)
	subject, err := remote.Head(d.ref(t, repo+":1"), d.remote(t)...)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := random.Image(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	attached = mutate.ConfigMediaType(mutate.MediaType(attached, types.OCIManifestSchema1), "application/vnd.example.sbom")
	attached = mutate.Subject(attached, *subject).(v1.Image)
	digest := digestOf(t, attached)
	if err := remote.Write(d.ref(t, repo+"@"+digest), attached, d.remote(t)...); err != nil {
		t.Fatal(err)
	}
	index, err := remote.Referrers(d.ref(t, repo+"@"+subject.Digest.String()).Context().Digest(subject.Digest.String()), d.remote(t)...)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest.String() != digest {
		t.Errorf("referrers of %s: %v, want %s", subject.Digest, manifest.Manifests, digest)
	}
}

// testMount takes a layer over from another repository without sending it.
func testMount(t *testing.T, d *deployment) {
	d.pushRandom(t, "mount/from:1", 1)
	img, err := remote.Image(d.ref(t, "mount/from:1"), d.remote(t)...)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer := digestOf(t, layers[0])
	c := d.client(t)
	got := d.do(t, c, d.request(t, http.MethodPost, "/v2/mount/to/blobs/uploads/?mount="+layer+"&from=mount/from", nil))
	if got.StatusCode != http.StatusCreated || got.Header.Get("Docker-Content-Digest") != layer {
		t.Errorf("mount: %s, digest %q, want 201 and %s", got.Status, got.Header.Get("Docker-Content-Digest"), layer)
	}
	if got := d.do(t, c, d.request(t, http.MethodHead, "/v2/mount/to/blobs/"+layer, nil)); got.StatusCode != http.StatusOK {
		t.Errorf("HEAD of the mounted layer: %s", got.Status)
	}
	if got := d.do(t, c, d.request(t, http.MethodHead, "/v2/mount/other/blobs/"+layer, nil)); got.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD of the layer in a repository that never had it: %s", got.Status)
	}
}
