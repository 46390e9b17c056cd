//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

// mounts are starts of an upload that ask for a blob of another repository, as
// dev, who may pull and push under team/. BLOB is the layer of secret/vault, OWN
// that of team/app/sub.
var mounts = []struct {
	name, query, body, contentType string
	want                           int // 201: mounted
}{
	{name: "allowed", query: "mount=OWN&from=team/app/sub", want: 201},
	{name: "allowed, encoded", query: "mount=OWN&from=team%2Fapp%2Fsub", want: 201},
	{name: "allowed, digest encoded", query: "mount=" + "sha256%3A" + "OWNHEX&from=team%2fapp%2fsub", want: 201},
	{name: "allowed, other order", query: "from=team/app/sub&x=y&mount=OWN", want: 201},
	{name: "not there", query: "mount=BLOB&from=team/app/sub", want: 202},
	{name: "plain", query: "", want: 202},
	{name: "without from", query: "mount=BLOB", want: 202},
	{name: "without mount", query: "from=secret/vault", want: 202},
	{name: "not allowed", query: "mount=BLOB&from=secret/vault", want: 202},
	{name: "not allowed, encoded", query: "mount=BLOB&from=secret%2Fvault", want: 202},
	{name: "not allowed, all encoded", query: "mount=BLOB&from=%73%65%63%72%65%74%2f%76ault", want: 202},
	{name: "not allowed, other order", query: "from=secret/vault&mount=BLOB", want: 202},
	{name: "not allowed, with a digest", query: "mount=BLOB&from=secret/vault&digest=BLOB", want: 202},
	{name: "not allowed, hidden in the digest", query: "digest=x%26mount%3DBLOB%26from%3Dsecret%2Fvault", want: 202},
	{name: "not allowed, upper case", query: "MOUNT=BLOB&FROM=secret/vault", want: 202},
	{name: "a right and a wrong one", query: "mount=BLOB&from=team/app/sub&from=secret/vault", want: 400},
	{name: "a wrong and a right one", query: "mount=BLOB&from=secret/vault&from=team/app/sub", want: 400},
	{name: "mount twice", query: "mount=OWN&mount=BLOB&from=team/app/sub", want: 400},
	{name: "encoded key", query: "mount=BLOB&fr%6fm=secret/vault", want: 400},
	{name: "encoded key beside a plain one", query: "mount=BLOB&from=team/app/sub&%66rom=secret/vault", want: 400},
	{name: "semicolon", query: "mount=BLOB;from=secret/vault", want: 400},
	{name: "blank", query: "mount=BLOB&from=secret/vault+", want: 400},
	{name: "NUL", query: "mount=BLOB&from=secret/vault%00", want: 400},
	{name: "encoded twice", query: "mount=BLOB&from=secret%252Fvault", want: 400},
	{name: "no UTF-8", query: "mount=BLOB&from=secret/vault%ff", want: 400},
	{name: "half an encoding", query: "mount=BLOB&from=secret/vault%f", want: 400},
	{name: "dot segments", query: "mount=BLOB&from=team/app/../../secret/vault", want: 400},
	{name: "leading slash", query: "mount=BLOB&from=/secret/vault", want: 400},
	{name: "two slashes", query: "mount=BLOB&from=secret//vault", want: 400},
	{name: "in a form", body: "mount=BLOB&from=secret/vault", contentType: formType, want: 202},
	{name: "in a form with parameters", body: "mount=BLOB&from=secret/vault", contentType: "Application/X-WWW-Form-URLEncoded; charset=utf-8", want: 202},
	{name: "mount in the query, from in a form", query: "mount=BLOB", body: "from=secret/vault", contentType: formType, want: 202},
	{name: "a right from in the query, a wrong one in a form", query: "mount=BLOB&from=team/app/sub", body: "from=secret/vault", contentType: formType, want: 202},
	{name: "in a form of parts", contentType: "multipart/form-data; boundary=b", want: 202,
		body: "--b\r\nContent-Disposition: form-data; name=\"mount\"\r\n\r\nBLOB\r\n--b\r\nContent-Disposition: form-data; name=\"from\"\r\n\r\nsecret/vault\r\n--b--\r\n"},
}

// testMounts: a blob is taken over from a repository that one may pull from,
// and from no other, however it is asked for.
func testMounts(t *testing.T, f *front, people map[string]person, seeds map[string]seed) {
	blob, own := seeds["secret/vault"].layer, seeds["team/app/sub"].layer
	fill := strings.NewReplacer("BLOB", blob, "OWNHEX", strings.TrimPrefix(own, "sha256:"), "OWN", own)
	for i, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			target := fmt.Sprint("team/mounts-", i)
			got := f.ask(t, people["dev"], http.MethodPost, "/v2/"+target+"/blobs/uploads/?"+fill.Replace(m.query), fill.Replace(m.body), header{"Content-Type", m.contentType})
			if got.StatusCode != m.want {
				t.Errorf("%s %s, want %d", got.Status, got.body, m.want)
			}
			for digest, there := range map[string]bool{blob: false, own: m.want == http.StatusCreated} {
				head := f.ask(t, f.boss(), http.MethodHead, "/v2/"+target+"/blobs/"+digest, "")
				if (head.StatusCode == http.StatusOK) != there {
					t.Errorf("afterwards %s has the blob %s: %s", target, digest, head.Status)
				}
			}
			if m.want == http.StatusAccepted {
				// A plain upload, which the client goes on with.
				content := "sent instead of mounted"
				at := got.Header.Get("Location")
				f.expect(t, http.StatusCreated, people["dev"], http.MethodPut, at+"&digest="+sum([]byte(content)), content)
			}
		})
	}
	t.Run("who may push and not pull", func(t *testing.T) {
		for _, from := range []string{"team/app", "team/app/sub"} {
			f.expect(t, http.StatusAccepted, people["pusher"], http.MethodPost, "/v2/ci/job/blobs/uploads/?mount="+seeds[from].layer+"&from="+from, "")
			f.expect(t, http.StatusNotFound, f.boss(), http.MethodHead, "/v2/ci/job/blobs/"+seeds[from].layer, "")
		}
	})
	t.Run("who may pull and not push", func(t *testing.T) {
		f.expect(t, http.StatusForbidden, people["reader"], http.MethodPost, "/v2/ci/job/blobs/uploads/?mount="+blob+"&from=secret/vault", "")
	})
}

// testSessions: an upload belongs to the repository it was begun in.
func testSessions(t *testing.T, f *front, people map[string]person) {
	const content = "what the boss sends"
	at := f.session(t, f.boss(), "secret/vault")
	a := f.expect(t, http.StatusAccepted, f.boss(), http.MethodPatch, at, content)
	at = a.Header.Get("Location")
	moved := strings.Replace(at, "/v2/secret/vault/", "/v2/team/app/", 1)
	u, err := url.Parse(moved)
	if err != nil || moved == at {
		t.Fatalf("%s: %v", at, err)
	}
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, moved, ""},
		{http.MethodPatch, moved, "more"},
		{http.MethodPut, moved + "&digest=" + sum([]byte(content)), ""},
		{http.MethodDelete, moved, ""},
		{http.MethodGet, u.Path, ""},
		{http.MethodPut, u.Path + "?digest=" + sum([]byte(content)), ""},
		{http.MethodDelete, u.Path, ""},
	} {
		if got := f.ask(t, people["dev"], c.method, c.path, c.body); got.StatusCode < 400 {
			t.Errorf("%s of another repository's upload: %s %s", c.method, got.Status, got.body)
		}
	}
	f.expect(t, http.StatusNotFound, f.boss(), http.MethodHead, "/v2/team/app/blobs/"+sum([]byte(content)), "")
	// It is still there for whom it belongs to.
	f.expect(t, http.StatusCreated, f.boss(), http.MethodPut, at+"&digest="+sum([]byte(content)), "")
}
