//go:build integration

package integration

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// clientPerson is somebody who works with a client, and what has to succeed. Who
// may not do a thing is told which right is missing.
type clientPerson struct {
	person
	push, pull, erase bool
}

// lacks is what a client has to show of a refusal.
func (p clientPerson) lacks(right, repo string) string {
	return "user " + p.name + " lacks the right " + right + " on " + repo
}

// testRightsByClient pushes and pulls with the clients that people use, as an
// administrator, as who may push, as who may pull, and as who may nothing.
func testRightsByClient(t *testing.T, f *front) {
	folks := []clientPerson{
		{f.boss(), true, true, true},
		{f.addUser(t, "clients-push", "--push", "clients/**"), true, false, false},
		{f.addUser(t, "clients-pull", "--pull", "clients/**"), false, true, false},
		{f.addUser(t, "clients-none", "--pull", "elsewhere/**"), false, false, false},
	}
	t.Run("go-containerregistry", func(t *testing.T) { testCraneRights(t, f, folks) })
	if f.opts.registry == imageRegistry2 {
		return // programs of their own take their time, and the registry has no say in this
	}
	t.Run("docker", func(t *testing.T) { testDockerRights(t, f, folks) })
	t.Run("containerd", func(t *testing.T) { testContainerdRights(t, f, folks) })
	t.Run("skopeo", func(t *testing.T) { testSkopeoRights(t, f, folks) })
	t.Run("pipeline", func(t *testing.T) { testCI(t, f) })
}

// refusedBy is what a client shows that asks first, by HEAD, whether a layer is
// there: who may pull meets the refusal of the push itself, who may not that of
// the question, which has no body.
func refusedBy(p clientPerson, repo, status string) string {
	if p.pull {
		return p.lacks("push", repo)
	}
	return status
}

// outcome compares how a client's run ended with what it should.
func outcome(t *testing.T, what string, r result, ok bool, refusal string) {
	t.Helper()
	if (r.status == 0) != ok {
		t.Errorf("%s: %v", what, r)
	} else if !ok && !strings.Contains(r.stdout+r.stderr, refusal) {
		t.Errorf("%s does not say %q: %v", what, refusal, r)
	}
}

func testDockerRights(t *testing.T, f *front, folks []clientPerson) {
	there := f.host() + "/clients/docker:there"
	importTiny(t, there)
	for i, p := range folks {
		docker := newDockerCLI(t)
		docker.try(t, p.password, "login", "--username", p.name, "--password-stdin", f.host()).want(t, 0)
		own := fmt.Sprintf("%s/clients/docker:%d", f.host(), i)
		importTiny(t, own)
		outcome(t, p.name+" pushes", docker.try(t, "", "push", own), p.push, p.lacks("push", "clients/docker"))
		if i == 0 {
			docker.must(t, "push", there)
			testDockerImmutable(t, f, docker)
		}
		// An image that is here already would be asked for by HEAD alone.
		try(t, "docker", "image", "rm", "--force", there)
		outcome(t, p.name+" pulls", docker.try(t, "", "pull", there), p.pull, p.lacks("pull", "clients/docker"))
	}
}

// testDockerImmutable pushes the same image twice, and then another one.
func testDockerImmutable(t *testing.T, f *front, docker dockerCLI) {
	image := f.host() + "/release/docker:v1"
	importTiny(t, image)
	docker.must(t, "push", image)
	docker.must(t, "push", image)
	importTiny(t, image)
	outcome(t, "another image under an immutable tag", docker.try(t, "", "push", image), false, "tag v1 of release/docker is immutable")
}

func testSkopeoRights(t *testing.T, f *front, folks []clientPerson) {
	dir := t.TempDir()
	certs := filepath.Join(dir, "certs")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(certs, "ca.crt"), f.read(t, "certs/ca.pem"), 0o644)
	img, err := random.Image(8<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	path, err := layout.Write(filepath.Join(dir, "out"), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}))
	if err != nil {
		t.Fatal(err)
	}
	there := "docker://" + f.host() + "/clients/skopeo:there"
	for i, p := range folks {
		auth := filepath.Join(dir, p.name+".json")
		startProcess(t, nil, p.password, "skopeo", "login", "--authfile", auth, "--cert-dir", certs,
			"--username", p.name, "--password-stdin", f.host()).wait(t).want(t, 0)
		access := func(side string) []string {
			return []string{"skopeo", "--insecure-policy", "copy", "--retry-times", "0", "--" + side + "-authfile", auth, "--" + side + "-cert-dir", certs}
		}
		if i == 0 {
			tool(t, append(access("dest"), "oci:"+string(path), there)...)
		}
		own := fmt.Sprintf("docker://%s/clients/skopeo:%d", f.host(), i)
		// What it asks for by HEAD, and the list of tags, it shows no more of.
		outcome(t, p.name+" pushes", try(t, append(access("dest"), "oci:"+string(path), own)...), p.push, refusedBy(p, "clients/skopeo", "403 (Forbidden)"))
		outcome(t, p.name+" pulls", try(t, append(access("src"), there, "oci:"+filepath.Join(dir, "back-"+p.name))...), p.pull, p.lacks("pull", "clients/skopeo"))
		outcome(t, p.name+" lists", try(t, "skopeo", "list-tags", "--authfile", auth, "--cert-dir", certs, strings.TrimSuffix(there, ":there")), p.pull, "403 (Forbidden)")
		if !p.erase {
			// It looks the digest up first, by GET.
			right := map[bool]string{true: "delete", false: "pull"}[p.pull]
			outcome(t, p.name+" deletes", try(t, "skopeo", "delete", "--authfile", auth, "--cert-dir", certs, there), false, p.lacks(right, "clients/skopeo"))
		}
	}
	erase := try(t, "skopeo", "delete", "--authfile", filepath.Join(dir, folks[0].name+".json"), "--cert-dir", certs, there)
	outcome(t, folks[0].name+" deletes", erase, true, "")
}

// as is how go-containerregistry reaches the front door as somebody.
func (f *front) as(t *testing.T, p person) []remote.Option {
	return append(f.remote(t), remote.WithAuth(&authn.Basic{Username: p.name, Password: p.password}))
}

func testCraneRights(t *testing.T, f *front, folks []clientPerson) {
	there := f.ref(t, "clients/crane:there")
	img, err := random.Image(8<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(there, img, f.as(t, folks[0].person)...); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, ok bool, refusal string) {
		t.Helper()
		var answered *transport.Error
		switch {
		case ok && err != nil:
			t.Errorf("%s: %v", what, err)
		case ok:
		case !errors.As(err, &answered) || answered.StatusCode != http.StatusForbidden || !strings.Contains(err.Error(), refusal):
			t.Errorf("%s: %v, want a refusal that says %q", what, err, refusal)
		}
	}
	for _, p := range folks {
		options := f.as(t, p.person)
		own, err := random.Image(8<<10, 2)
		if err != nil {
			t.Fatal(err)
		}
		ref := f.ref(t, "clients/crane:"+p.name)
		check(p.name+" pushes", remote.Write(ref, own, options...), p.push, refusedBy(p, "clients/crane", "403 Forbidden"))
		_, err = remote.Image(there, options...)
		check(p.name+" pulls", err, p.pull, p.lacks("pull", "clients/crane"))
		_, err = remote.List(there.Context(), options...)
		check(p.name+" lists tags", err, p.pull, p.lacks("pull", "clients/crane"))
		_, err = remote.Catalog(t.Context(), there.Context().Registry, options...)
		check(p.name+" lists repositories", err, p.erase, "needs the right admin")
		if p.push {
			check(p.name+" deletes", remote.Delete(f.ref(t, "clients/crane@"+digestOf(t, own)), options...), p.erase, p.lacks("delete", "clients/crane"))
		}
	}
	// An image of another repository is copied with its layers, mounted or sent.
	for _, c := range []struct {
		to   string
		from clientPerson
	}{{"clients/copied", folks[1]}, {"clients/copied-by-admin", folks[0]}} {
		source, err := remote.Image(there, f.as(t, folks[0].person)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(f.ref(t, c.to+":1"), source, f.as(t, c.from.person)...); err != nil {
			t.Errorf("%s copies: %v", c.from.name, err)
		}
		if got, want := f.digest(t, c.to+":1"), digestOf(t, img); got != want {
			t.Errorf("%s is %s, want %s", c.to, got, want)
		}
	}
}
