//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// signer attaches signatures and the like with ORAS's own library.
type signer struct {
	*front
	bin string
}

// newSigner builds the client, which is a module of its own, once.
func newSigner(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(moduleRoot, "build", "oras")
	tool(t, "env", "GOWORK=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0", "go", "-C", filepath.Join(moduleRoot, "hack", "oras"), "build", "-trimpath", "-o", bin, ".")
	return bin
}

func (s *signer) oras(t *testing.T, command, image string, args ...string) result {
	t.Helper()
	env := []string{"OCI_USERNAME=" + s.user, "OCI_PASSWORD=" + s.password, "SSL_CERT_FILE=" + s.ca()}
	return startProcess(t, env, "", append([]string{s.bin, command, s.host() + "/" + image}, args...)...).wait(t)
}

func (s *signer) attach(t *testing.T, image, kind string) (digest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, kind+" of "+image, 0o644)
	r := s.oras(t, "attach", image, kind, file)
	r.want(t, 0)
	return strings.TrimSpace(r.stdout)
}

// has makes sure that these are attached, and that all can be fetched.
func (s *signer) has(t *testing.T, image string, want ...string) {
	t.Helper()
	slices.Sort(want)
	r := s.oras(t, "discover", image)
	r.want(t, 0)
	if got := strings.Fields(r.stdout); !slices.Equal(got, want) {
		t.Errorf("attached to %s are %v, want %v", image, got, want)
	}
	s.oras(t, "fetch", image, t.TempDir()).want(t, 0)
}

// testSigned has signatures, attestations and SBOMs attached as clients do where a
// registry has no list of referrers: by subject and a tag sha256-<hex>; and as cosign
// did, by a tag sha256-<hex>.sig. They stay with what they are about, and go with it.
func testSigned(t *testing.T, f *front, bin string) {
	s := &signer{f, bin}
	multi := "signed/app@" + f.pushIndex(t, "signed/app:multi", 2)
	v1 := "signed/app@" + f.pushRandom(t, "signed/app:v1", 2)
	signature := s.attach(t, v1, "application/vnd.example.signature")
	sbom := s.attach(t, v1, "application/vnd.example.sbom")
	countersigned := "signed/app@" + signature
	counter := s.attach(t, countersigned, "application/vnd.example.signature")
	ofIndex := s.attach(t, multi, "application/vnd.example.signature")
	tag := func(image, suffix string) string {
		_, digest, _ := strings.Cut(image, "@")
		return strings.Replace(digest, ":", "-", 1) + suffix
	}
	cosign := "signed/app:" + tag(v1, ".sig")
	f.pushRandom(t, cosign, 1)
	copied := s.copyAll(t, "signed/app:multi", "copied/app:multi")
	all := func() {
		t.Helper()
		s.has(t, v1, signature, sbom)
		s.has(t, countersigned, counter)
		s.has(t, multi, ofIndex)
		for _, image := range []string{v1, multi, cosign, copied} {
			f.whole(t, image)
		}
	}
	all()
	f.gc(t)
	all()

	config := f.read(t, "regctl.yaml")
	f.write(t, "regctl.yaml", config+"gc: {cosign_tags: true, grace: 0s}\n")
	defer f.write(t, "regctl.yaml", config)
	f.must(t, "tag", "rm", "signed/app:v1", "--yes")
	for _, ref := range []string{"v1", strings.TrimPrefix(v1, "signed/app@"), signature, sbom, counter, tag(v1, ""), tag(v1, ".sig"), tag(countersigned, "")} {
		f.expect(t, http.StatusNotFound, f.boss(), http.MethodGet, "/v2/signed/app/manifests/"+ref, "")
	}
	var left struct{ Tags []string }
	decode(t, f.expect(t, http.StatusOK, f.boss(), http.MethodGet, "/v2/signed/app/tags/list", "").body, &left)
	slices.Sort(left.Tags)
	if want := fmt.Sprint([]string{"multi", tag(multi, "")}); fmt.Sprint(left.Tags) != want {
		t.Errorf("tags left are %v, want %s", left.Tags, want)
	}
	s.has(t, multi, ofIndex)
	f.whole(t, copied)
	f.must(t, "gc", "undo")
	all()
}

// copyAll copies an index with all its images, as skopeo does.
func (s *signer) copyAll(t *testing.T, from, to string) string {
	t.Helper()
	certs, auth := t.TempDir(), filepath.Join(t.TempDir(), "auth.json")
	pem, err := os.ReadFile(s.ca())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(certs, "ca.crt"), string(pem), 0o644)
	startProcess(t, nil, s.password, "skopeo", "login", "--authfile", auth, "--cert-dir", certs, "--username", s.user, "--password-stdin", s.host()).wait(t).want(t, 0)
	tool(t, "skopeo", "--insecure-policy", "copy", "--all", "--authfile", auth, "--src-cert-dir", certs, "--dest-cert-dir", certs,
		"docker://"+s.host()+"/"+from, "docker://"+s.host()+"/"+to)
	return to
}
