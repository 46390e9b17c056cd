//go:build integration

package integration

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestFrontSecrets uses passwords in every way, right and wrong, and then looks
// for them wherever the stack could have written them.
func TestFrontSecrets(t *testing.T) {
	f := newFront(t, options{}, "# a stack of which everything is searched")
	f.replace(t, "regctl.yaml", "registry:\n", "registry:\n  log_level: debug\n")
	f.must(t, "up")
	right := f.addChosen(t, "marked", "correct-horse-MARKER-battery")
	changed := f.addChosen(t, "changed", "before-MARKER-the-change")
	wrong := person{"marked", "wrong-MARKER-password"}
	unknown := person{"no-such-user", "unknown-MARKER-password"}
	long := person{"marked", "long-MARKER" + strings.Repeat("x", 6<<10)}
	tooLong := person{"marked", "longer-MARKER" + strings.Repeat("x", 64<<10)}

	img, err := random.Image(4<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref := f.ref(t, "marked/app:1")
	if err := remote.Write(ref, img, f.as(t, right)...); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(ref, f.as(t, right)...); err != nil {
		t.Fatal(err)
	}
	newFirst := f.regctlInput(t, "after-MARKER-the-change", "user", "passwd", "changed", "--password-stdin")
	newFirst.want(t, 0)
	for _, c := range []struct {
		who  person
		want int
	}{{right, 200}, {wrong, 401}, {unknown, 401}, {changed, 401}, {person{"changed", "after-MARKER-the-change"}, 200}, {long, 401}, {tooLong, 400}} {
		f.expect(t, c.want, c.who, http.MethodGet, "/v2/", "")
	}
	f.expect(t, http.StatusBadRequest, right, http.MethodGet, "/v2/a/../b/manifests/v1%00", "")
	f.expect(t, http.StatusForbidden, right, http.MethodGet, "/v2/_catalog", "")
	// What Nginx says when nothing behind it answers.
	tool(t, f.composeCommand("stop", "auth", "registry")...)
	f.expect(t, http.StatusServiceUnavailable, person{"marked", "other-MARKER"}, http.MethodGet, "/v2/", "")
	if got := f.ask(t, right, http.MethodGet, "/v2/marked/app/manifests/1", ""); got.StatusCode/100 != 5 {
		t.Errorf("without a registry: %s", got.Status)
	}
	tool(t, f.composeCommand("start", "auth", "registry")...)
	f.must(t, "up")
	status := f.regctl(t, "status", "--json")

	secrets := secretsOf(right, changed, wrong, unknown, long, tooLong, person{"changed", "after-MARKER-the-change"}, person{"marked", "other-MARKER"})
	places := 0
	search := func(where string, text []byte) {
		places++
		for what, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s holds %s", where, what)
			}
		}
	}
	search("regctl status", []byte(status.stdout+status.stderr))
	search("regctl user passwd", []byte(newFirst.stdout+newFirst.stderr))
	for _, service := range []string{"nginx", "registry", "auth"} {
		id := f.containerID(t, service)
		log := try(t, "docker", "logs", id)
		search("the log of "+service, []byte(log.stdout+log.stderr))
		search("the container "+service, []byte(tool(t, "docker", "inspect", id)))
		pid := strings.TrimSpace(tool(t, "docker", "inspect", "--format", "{{.State.Pid}}", id))
		for _, dir := range []string{"run", "tmp", "var/cache", "dev/shm"} {
			searchTree(t, filepath.Join("/proc", pid, "root", dir), search)
		}
	}
	for _, volume := range []string{"registry-data", "sockets"} {
		searchTree(t, f.volume(t, volume), search)
	}
	before := places
	searchTree(t, f.dir, search)
	if places-before < 10 || !strings.Contains(readFile(t, f.path(".regctl/up.json")), "{") {
		t.Errorf("%d files in the deployment directory: the search found too little", places-before)
	}
	t.Logf("searched %d places for %d secrets", places, len(secrets))
}

// secretsOf is what must be nowhere: passwords, what clients send, and hashes
// that need no key to be tried against a list of passwords.
func secretsOf(people ...person) map[string]string {
	out := map[string]string{"the marker": "MARKER"}
	for _, p := range people {
		for what, text := range map[string]string{"the password": p.password, "the header": p.basic(), "name and password": p.name + ":" + p.password} {
			s1, s2, m := sha1.Sum([]byte(text)), sha256.Sum256([]byte(text)), md5.Sum([]byte(text))
			for how, sum := range map[string][]byte{"SHA-1": s1[:], "SHA-256": s2[:], "MD5": m[:]} {
				out[what+" of "+p.name+", "+how] = hex.EncodeToString(sum)
				out[what+" of "+p.name+", "+how+" in base64"] = base64.StdEncoding.EncodeToString(sum)
			}
		}
		// Of a long one its beginning will do.
		out["the header of "+p.name] = p.basic()[len("Basic "):min(len(p.basic()), 60)]
	}
	return out
}

// searchTree hands each file below a directory to search.
func searchTree(t *testing.T, root string, search func(where string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // such a directory is not in every image
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			search(path, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
