//go:build integration

package integration

import (
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testBlobs reads blobs, which Nginx sends from the volume after the registry
// has said that they may be had.
func testBlobs(t *testing.T, f *front, people map[string]person, seeds map[string]seed) {
	const content = "0123456789abcdefghijklmnopqrstuvwxyz"
	digest := f.pushBlob(t, "team/app", content)
	path := "/v2/team/app/blobs/" + digest
	t.Run("of another repository", func(t *testing.T) { testForeignBlob(t, f, people, seeds) })
	t.Run("ranges", func(t *testing.T) { testRanges(t, f, path, content) })
	t.Run("conditions", func(t *testing.T) { testConditions(t, f, path, content, digest) })
	t.Run("headers", func(t *testing.T) { testBlobHeaders(t, f, path, content, digest) })
	t.Run("gone from the disk", func(t *testing.T) { testBlobGone(t, f) })
	t.Run("unreadable for Nginx", func(t *testing.T) { testBlobUnreadable(t, f) })
	t.Run("sha512", func(t *testing.T) { testSHA512(t, f) })
}

// testForeignBlob: a digest is no key to a blob.
func testForeignBlob(t *testing.T, f *front, people map[string]person, seeds map[string]seed) {
	secret := seeds["secret/vault"].layer
	f.expect(t, http.StatusOK, people["reader"], http.MethodGet, "/v2/secret/vault/blobs/"+secret, "")
	for _, repo := range []string{"team/app", "team/app/sub", "team/never-pushed-to"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := f.expect(t, http.StatusNotFound, people["dev"], method, "/v2/"+repo+"/blobs/"+secret, "", header{"Range", "bytes=0-3"})
			// The registry's own answer, which names the digest.
			if method == http.MethodGet && (!strings.Contains(got.body, `"code":"BLOB_UNKNOWN"`) || !strings.Contains(got.body, secret)) {
				t.Errorf("%s: %s", repo, got.body)
			}
			if got.Header.Get("Docker-Content-Digest") != "" || got.Header.Get("ETag") != "" {
				t.Errorf("%s: headers of a blob that is not there: %v", repo, got.Header)
			}
		}
	}
	for _, known := range []string{`"` + secret + `"`, "*"} {
		f.expect(t, http.StatusNotFound, people["dev"], http.MethodGet, "/v2/team/app/blobs/"+secret, "", header{"If-None-Match", known})
		f.expect(t, http.StatusForbidden, people["dev"], http.MethodGet, "/v2/secret/vault/blobs/"+secret, "", header{"If-None-Match", known})
	}
	f.expect(t, http.StatusBadRequest, people["dev"], http.MethodGet, "/v2/team/app/blobs/sha256:short", "")
	f.expect(t, http.StatusNotFound, people["dev"], http.MethodGet, "/v2/team/app/blobs/nodigest", "")
}

// testRanges: parts of a blob, for a download that is gone on with.
func testRanges(t *testing.T, f *front, path, content string) {
	size := len(content)
	for _, c := range []struct{ name, value, want, contentRange string }{
		{"first", "bytes=0-9", content[:10], fmt.Sprintf("bytes 0-9/%d", size)},
		{"middle", "bytes=10-19", content[10:20], fmt.Sprintf("bytes 10-19/%d", size)},
		{"to the end", "bytes=30-", content[30:], fmt.Sprintf("bytes 30-%d/%d", size-1, size)},
		{"past the end", "bytes=30-999", content[30:], fmt.Sprintf("bytes 30-%d/%d", size-1, size)},
		{"suffix", "bytes=-5", content[size-5:], fmt.Sprintf("bytes %d-%d/%d", size-5, size-1, size)},
		{"one byte", "bytes=0-0", content[:1], fmt.Sprintf("bytes 0-0/%d", size)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := f.expect(t, http.StatusPartialContent, f.boss(), http.MethodGet, path, "", header{"Range", c.value})
			if got.body != c.want || got.Header.Get("Content-Range") != c.contentRange || got.ContentLength != int64(len(c.want)) {
				t.Errorf("%q of %d bytes, range %q", got.body, got.ContentLength, got.Header.Get("Content-Range"))
			}
			head := f.expect(t, http.StatusPartialContent, f.boss(), http.MethodHead, path, "", header{"Range", c.value})
			if head.ContentLength != int64(len(c.want)) || head.body != "" {
				t.Errorf("HEAD: %d bytes", head.ContentLength)
			}
		})
	}
	t.Run("several", func(t *testing.T) {
		got := f.expect(t, http.StatusPartialContent, f.boss(), http.MethodGet, path, "", header{"Range", "bytes=0-1,10-12,-2"})
		kind, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/byteranges" {
			t.Fatalf("%q: %v", got.Header.Get("Content-Type"), err)
		}
		var parts []string
		for r := multipart.NewReader(strings.NewReader(got.body), params["boundary"]); ; {
			p, err := r.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, string(data))
		}
		if fmt.Sprint(parts) != "[01 abc yz]" {
			t.Errorf("parts %q", parts)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		got := f.expect(t, http.StatusRequestedRangeNotSatisfiable, f.boss(), http.MethodGet, path, "", header{"Range", "bytes=99-100"})
		if got.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", size) {
			t.Errorf("Content-Range %q", got.Header.Get("Content-Range"))
		}
		if code, _ := errorCode(got.body); code == "" {
			t.Errorf("not in the registry's form: %s", got.body)
		}
	})
	t.Run("no range", func(t *testing.T) {
		for _, value := range []string{"bytes=x", "lines=1-2", ""} {
			got := f.ask(t, f.boss(), http.MethodGet, path, "", header{"Range", value})
			if got.StatusCode != http.StatusOK && got.StatusCode != http.StatusRequestedRangeNotSatisfiable || got.StatusCode == http.StatusOK && got.body != content {
				t.Errorf("%q: %s %q", value, got.Status, got.body)
			}
		}
	})
}

// testConditions: who has the blob already gets no second one.
func testConditions(t *testing.T, f *front, path, content, digest string) {
	tag, other := `"`+digest+`"`, `"`+sum([]byte("other"))+`"`
	for _, c := range []struct {
		name, header, value string
		want                int
	}{
		{"known", "If-None-Match", tag, 304},
		{"known, weak", "If-None-Match", "W/" + tag, 304},
		{"any", "If-None-Match", "*", 304},
		{"known, in a list", "If-None-Match", other + ", " + tag, 304},
		{"known, first of a list", "If-None-Match", tag + "," + other, 304},
		{"another", "If-None-Match", other, 200},
		{"a list of others", "If-None-Match", other + `, "x"`, 200},
		{"part of it", "If-None-Match", tag[:20] + `"`, 200},
		{"without quotes", "If-None-Match", digest, 200},
		{"empty", "If-None-Match", `""`, 200},
		{"still any", "If-Match", "*", 200},
		{"long ago", "If-Modified-Since", "Mon, 01 Jan 2001 00:00:00 GMT", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := f.expect(t, c.want, f.boss(), method, path, "", header{c.header, c.value})
				if c.want == http.StatusNotModified && (got.body != "" || got.Header.Get("ETag") != tag || got.Header.Get("Docker-Content-Digest") != digest) {
					t.Errorf("%s: %q %v", method, got.body, got.Header)
				}
				if c.want == http.StatusOK && method == http.MethodGet && got.body != content {
					t.Errorf("%q", got.body)
				}
			}
		})
	}
	part := header{"Range", "bytes=0-3"}
	if got := f.expect(t, http.StatusPartialContent, f.boss(), http.MethodGet, path, "", part, header{"If-Range", tag}); got.body != content[:4] {
		t.Errorf("If-Range of the same: %q", got.body)
	}
	if got := f.expect(t, http.StatusOK, f.boss(), http.MethodGet, path, "", part, header{"If-Range", other}); got.body != content {
		t.Errorf("If-Range of another: %q", got.body)
	}
	f.expect(t, http.StatusNotModified, f.boss(), http.MethodGet, path, "", part, header{"If-None-Match", tag})
	// Nginx does not know the ETag when it looks at If-Match, which no client
	// sends: all it can do is refuse, in a form that shows.
	for _, h := range []header{{"If-Match", other}, {"If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"}} {
		checkForm(t, h.name, f.expect(t, http.StatusPreconditionFailed, f.boss(), http.MethodGet, path, "", h))
	}
}

// testBlobHeaders: as the registry itself would send them.
func testBlobHeaders(t *testing.T, f *front, path, content, digest string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := f.expect(t, http.StatusOK, f.boss(), method, path, "")
		if got.ContentLength != int64(len(content)) {
			t.Errorf("%s: %d bytes", method, got.ContentLength)
		}
		for name, want := range map[string]string{
			"Docker-Content-Digest": digest, "ETag": `"` + digest + `"`, "Content-Type": "application/octet-stream",
			"Docker-Distribution-Api-Version": "registry/2.0", "Accept-Ranges": "bytes", "Cache-Control": "max-age=31536000",
			"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=63072000", "Server": "nginx", "Location": "",
		} {
			if values := got.Header.Values(name); strings.Join(values, "|") != want {
				t.Errorf("%s: %s %q, want %q", method, name, values, want)
			}
		}
	}
}

// blobFile is where a blob lies on this machine.
func (d *deployment) blobFile(t *testing.T, digest string) string {
	t.Helper()
	algorithm, hex, _ := strings.Cut(digest, ":")
	return filepath.Join(d.volume(t, "registry-data"), "docker/registry/v2/blobs", algorithm, hex[:2], hex, "data")
}

// testBlobGone takes the file away behind the registry's back: once for both, and
// once so that the registry still sees it and Nginx does not, as when a garbage
// collection comes between their looks.
func testBlobGone(t *testing.T, f *front) {
	digest := f.pushBlob(t, "team/app", "soon gone")
	path := "/v2/team/app/blobs/" + digest
	f.expect(t, http.StatusOK, f.boss(), http.MethodGet, path, "")
	file := f.blobFile(t, digest)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	t.Run("for both", func(t *testing.T) { blobUnknown(t, f, path) })
	if err := os.Symlink("/bin/registry", file); err != nil {
		t.Fatal(err)
	}
	t.Run("for Nginx", func(t *testing.T) { blobUnknown(t, f, path) })
	if log := try(t, "docker", "logs", "--tail", "20", f.containerID(t, "nginx")).stderr; !strings.Contains(log, "No such file") {
		t.Errorf("Nginx was not the one that missed it: %s", log)
	}
}

// testBlobUnreadable: a file that Nginx may not read, as a restore by another
// user leaves it, is no refusal and no page of Nginx.
func testBlobUnreadable(t *testing.T, f *front) {
	digest := f.pushBlob(t, "team/app", "not for everybody to read")
	if err := os.Chmod(f.blobFile(t, digest), 0o600); err != nil {
		t.Fatal(err)
	}
	got := f.expect(t, http.StatusInternalServerError, f.boss(), http.MethodGet, "/v2/team/app/blobs/"+digest, "")
	if code, _ := errorCode(got.body); code != "UNAVAILABLE" {
		t.Errorf("%s", got.body)
	}
}

func blobUnknown(t *testing.T, f *front, path string) {
	for _, h := range []header{{"Accept", "*/*"}, {"Range", "bytes=0-3"}, {"If-None-Match", `"` + sum([]byte("x")) + `"`}} {
		got := f.expect(t, http.StatusNotFound, f.boss(), http.MethodGet, path, "", h)
		if code, _ := errorCode(got.body); code != "BLOB_UNKNOWN" {
			t.Errorf("with %s: %s", h.name, got.body)
		}
		if got.Header.Get("Docker-Content-Digest") != "" || got.Header.Get("ETag") != "" || got.Header.Get("Cache-Control") != "" {
			t.Errorf("with %s: headers of a blob that is not there: %v", h.name, got.Header)
		}
	}
	f.expect(t, http.StatusNotFound, f.boss(), http.MethodHead, path, "")
}

// testSHA512: the registries file every blob by SHA-256, and answer to another
// digest that it was pushed by as well.
func testSHA512(t *testing.T, f *front) {
	content := "named by its SHA-512"
	h := sha512.Sum512([]byte(content))
	digest := "sha512:" + hex.EncodeToString(h[:])
	at := f.session(t, f.boss(), "team/app")
	put := f.ask(t, f.boss(), http.MethodPut, at+"&digest="+digest, content)
	got := f.ask(t, f.boss(), http.MethodGet, "/v2/team/app/blobs/"+digest, "")
	if put.StatusCode != http.StatusCreated || got.StatusCode != http.StatusOK || got.body != content {
		t.Errorf("PUT %s %s, GET %s %.200s", put.Status, put.body, got.Status, got.body)
	}
	f.expect(t, http.StatusNotFound, f.boss(), http.MethodGet, "/v2/ci/job/blobs/"+digest, "")
	f.expect(t, http.StatusNotModified, f.boss(), http.MethodGet, "/v2/team/app/blobs/"+digest, "", header{"If-None-Match", `"` + digest + `"`})
}
