//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// person is who asks. With no name it is somebody without a password.
type person struct{ name, password string }

func (p person) String() string {
	if p.name == "" {
		return "nobody at all"
	}
	return p.name
}

// boss is the deployment's first user, who may do everything.
func (d *deployment) boss() person { return person{d.user, d.password} }

// addUser makes a user with the flags of `regctl user add`.
func (d *deployment) addUser(t *testing.T, name string, flags ...string) person {
	t.Helper()
	r := d.must(t, append([]string{"user", "add", name}, flags...)...)
	return person{name, strings.TrimSpace(r.stdout)}
}

// addChosen makes a user with a password of the test's own, hashed as people's
// passwords are.
func (d *deployment) addChosen(t *testing.T, name, password string, flags ...string) person {
	t.Helper()
	d.regctlInput(t, password, append([]string{"user", "add", name, "--password-stdin"}, flags...)...).want(t, 0)
	return person{name, password}
}

// addLine gives a user an entry in the user file and none in the rights file, as
// `htpasswd` does.
func (d *deployment) addLine(t *testing.T, name string) person {
	t.Helper()
	const password = "a line by hand"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	d.writeUsers(t, d.read(t, "auth/htpasswd")+name+":"+string(hash)+"\n")
	return person{name, password}
}

// front is a stack with a client that keeps its connections, as the tests of
// the front door ask it hundreds of times.
type front struct {
	*deployment
	http    *http.Client
	counter atomic.Int64
}

// newFront brings a stack up whose regctl.yaml has these lines added.
func newFront(t *testing.T, o options, lines ...string) *front {
	t.Helper()
	d := initialised(t, o)
	d.write(t, "regctl.yaml", d.read(t, "regctl.yaml")+strings.Join(lines, "\n")+"\n")
	d.must(t, "up")
	f := &front{deployment: d, http: d.client(t)}
	f.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 32
	return f
}

// header is a header of a request, for [front.ask].
type header struct{ name, value string }

// ask sends a request as somebody, with a body, which may be empty.
func (f *front) ask(t *testing.T, who person, method, path, body string, headers ...header) answer {
	t.Helper()
	a, err := f.tryAsk(t, who, method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s as %s: %v", method, path, who, err)
	}
	return a
}

// tryAsk is ask that returns the error: for goroutines.
func (f *front) tryAsk(t *testing.T, who person, method, path, body string, headers ...header) (answer, error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, f.url(path), r)
	if err != nil {
		return answer{}, err
	}
	if who.name != "" {
		req.SetBasicAuth(who.name, who.password)
	}
	for _, h := range headers {
		req.Header.Set(h.name, h.value)
	}
	return send(f.http, req)
}

// expect is ask with the status that the answer has to have.
func (f *front) expect(t *testing.T, status int, who person, method, path, body string, headers ...header) answer {
	t.Helper()
	a := f.ask(t, who, method, path, body, headers...)
	if a.StatusCode != status {
		t.Fatalf("%s %s as %s: %s %s, want %d", method, path, who, a.Status, a.body, status)
	}
	return a
}

// session begins an upload and returns its path with its query.
func (f *front) session(t *testing.T, who person, repo string) string {
	t.Helper()
	a := f.expect(t, http.StatusAccepted, who, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "")
	return a.Header.Get("Location")
}

// pushBlob stores a content and returns its digest.
func (f *front) pushBlob(t *testing.T, repo, content string) string {
	t.Helper()
	at, digest := f.session(t, f.boss(), repo), sum([]byte(content))
	f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, at+"&digest="+url.QueryEscape(digest), content)
	return digest
}

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

var ociType = header{"Content-Type", ociManifest}

// seed is a repository with one image, which has the tag v1.
type seed struct{ repo, config, layer, manifest, digest string }

// seedRepository pushes an image of one layer, which no other repository has.
func (f *front) seedRepository(t *testing.T, repo string) seed {
	t.Helper()
	s := seed{repo: repo}
	s.layer = f.pushBlob(t, repo, "the layer of "+repo)
	s.config = f.pushBlob(t, repo, fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Labels":{"of":%q}}}`, repo))
	s.manifest = f.manifest(s, "")
	s.digest = sum([]byte(s.manifest))
	f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, "/v2/"+repo+"/manifests/v1", s.manifest, ociType)
	return s
}

// manifest is a manifest over the blobs of a seed; note tells it from others.
func (f *front) manifest(s seed, note string) string {
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	m := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}{2, ociManifest, descriptor{"application/vnd.oci.image.config.v1+json", s.config,
		len(fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Labels":{"of":%q}}}`, s.repo))},
		[]descriptor{{"application/vnd.oci.image.layer.v1.tar", s.layer, len("the layer of " + s.repo)}}, nil}
	if note != "" {
		m.Annotations = map[string]string{"note": note}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers always can be written
	}
	return string(text)
}

// another is a manifest that was never there before.
func (f *front) another(s seed) string {
	return f.manifest(s, fmt.Sprint("number ", f.counter.Add(1)))
}

// volume is where a volume of the stack lies on this machine.
func (d *deployment) volume(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "docker", "volume", "inspect", "--format", "{{.Mountpoint}}", d.project+"_"+name))
}

// snapshot is all that the registry keeps: each file with its size, and what is
// in it where it is small.
func (d *deployment) snapshot(t *testing.T) map[string]string {
	t.Helper()
	root := d.volume(t, "registry-data")
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out[strings.TrimPrefix(path, root)] = fmt.Sprintf("%d bytes: %.100s", len(data), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("the volume is empty: a comparison would prove nothing")
	}
	return out
}

// errorCode is the code and message of an error in the registry's form; both
// are empty for anything else.
func errorCode(body string) (code, message string) {
	var form struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(body), &form) != nil || len(form.Errors) != 1 {
		return "", ""
	}
	return form.Errors[0].Code, form.Errors[0].Message
}

// readFile reads a file of this machine.
func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
