//go:build integration

package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// basic is the value of an Authorization header.
func (p person) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.name+":"+p.password))
}

// raw sends a request as it is written, which net/http would tidy up, and reads
// one answer.
func (f *front) raw(t *testing.T, request string) answer {
	t.Helper()
	conn, err := tls.Dial("tcp", f.address(), &tls.Config{RootCAs: f.roots(t), ServerName: f.domain})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

// rawLine sends a request line with headers, and no body.
func (f *front) rawLine(t *testing.T, line string, headers ...string) answer {
	t.Helper()
	headers = append([]string{line, "Host: " + f.host(), "Accept: " + ociManifest, "Content-Length: 0", "Connection: close"}, headers...)
	return f.raw(t, strings.Join(headers, "\r\n")+"\r\n\r\n")
}

// spellings are request lines that name a repository in ways that two programs
// could read differently. REPO is the repository, MANIFEST its manifest's digest,
// BLOB that of its layer. open is what one gets who may read it, and it has to be
// refused where it is not 200.
var spellings = []struct {
	line string
	open int
}{
	{"GET /v2/REPO/manifests/v1 HTTP/1.1", 200},
	{"GET https://localhost/v2/REPO/manifests/v1 HTTP/1.1", 200},
	{"GET http://registry/v2/REPO/manifests/v1 HTTP/1.1", 200},
	{"GET http://elsewhere.example:99/v2/REPO/manifests/v1 HTTP/1.1", 200},
	{"GET /v2/REPO/manifests/v1?x=/v2/team/app HTTP/1.1", 200},
	{"GET /v2/REPO/manifests/v1?a=%2e%2e%2f%2e%2e HTTP/1.1", 200},
	{"GET /v2/REPO/manifests/v1 HTTP/1.0", 200},
	{"GET /v2/REPO/manifests/v1/ HTTP/1.1", 404},
	{"GET /v2/REPO/manifests/ HTTP/1.1", 404},
	{"GET /v2/REPO/manifests HTTP/1.1", 404},
	{"GET /v2/REPO HTTP/1.1", 404},
	{"GET /v2/REPO/ HTTP/1.1", 404},
	{"GET /v2/team/app/../../REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/team/app/manifests/../../../REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/./REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO/./manifests/v1 HTTP/1.1", 400},
	{"GET /x/../v2/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/../v2/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2//REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO//manifests/v1 HTTP/1.1", 400},
	{"GET //v2/REPO/manifests/v1 HTTP/1.1", 404},
	{"GET /v2/team/app/%2e%2e/%2e%2e/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/team/app%2f..%2f..%2fREPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/team/app/.%2e/.%2e/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2%2fREPO/manifests/v1 HTTP/1.1", 400},
	{"GET /%76%32/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO%2fmanifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests%2fv1 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/%76%31 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%20 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%3fx HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%23 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%0d%0aX:y HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%c3%a9 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%00 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1% HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1%zz HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1#/team/app HTTP/1.1", 400},
	{"GET /v2/team/app#/../../REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1;x=y HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1\\..\\v2 HTTP/1.1", 400},
	{"GET /v2\\REPO/manifests/v1 HTTP/1.1", 404},
	{"GET /v2/REPO/manifests/v\xe91 HTTP/1.1", 400},
	{"GET /v2/REPO/manifests/v1 x HTTP/1.1", 400},
	{"GET /V2/REPO/manifests/v1 HTTP/1.1", 404},
	{"GET v2/REPO/manifests/v1 HTTP/1.1", 400},
	{"GET /v2/REPO/blobs/BLOB HTTP/1.1", 200},
	{"GET https://localhost/v2/REPO/blobs/BLOB?x=y HTTP/1.1", 200},
	{"GET /v2/REPO/blobs/sha256%3aBLOB HTTP/1.1", 400},
	{"GET /v2/REPO/blobs/uploads/../BLOB HTTP/1.1", 400},
	{"GET /v2/team/app/blobs/uploads/../../../../REPO/blobs/BLOB HTTP/1.1", 400},
	{"GET /v2/REPO/blobs//BLOB HTTP/1.1", 400},
	{"GET /docker/registry/v2/repositories/REPO/_manifests/tags/v1/current/link HTTP/1.1", 404},
	{"GET /v2/../docker/registry/v2/repositories/REPO/_manifests/tags/v1/current/link HTTP/1.1", 404},
	{"GET /_front/answer HTTP/1.1", 404},
	{"GET /_front/authorize HTTP/1.1", 404},
	{"GET /_front/put HTTP/1.1", 404},
	{"GET /_front/gone HTTP/1.1", 404},
}

// testPaths asks for one repository with a right to it and one without, in every
// spelling. What opens the first must not open the second, and without a
// password both are the same.
func testPaths(t *testing.T, f *front, people map[string]person, seeds map[string]seed) {
	spell := func(line, repo string) string {
		s := seeds[repo]
		line = strings.ReplaceAll(line, "sha256%3aBLOB", "sha256%3a"+strings.TrimPrefix(s.layer, "sha256:"))
		return strings.NewReplacer("REPO", repo, "MANIFEST", s.digest, "BLOB", s.layer).Replace(line)
	}
	before := f.snapshot(t)
	for _, c := range spellings {
		for _, who := range []string{"dev", "boss"} {
			line := spell(c.line, "team/app/sub")
			got := f.rawLine(t, line, "Authorization: "+people[who].basic())
			if got.StatusCode != c.open {
				t.Errorf("%q as %s: %s %.200s, want %d", line, who, got.Status, got.body, c.open)
			}
			checkForm(t, line, got)
		}
		line := spell(c.line, "secret/vault")
		got := f.rawLine(t, line, "Authorization: "+people["dev"].basic())
		want := c.open
		if want == http.StatusOK {
			want = http.StatusForbidden
		}
		if got.StatusCode != want || strings.Contains(got.body, seeds["secret/vault"].config) || strings.Contains(got.body, "the layer of") {
			t.Errorf("%q without the right to it: %s %.200s, want %d", line, got.Status, got.body, want)
		}
		checkForm(t, line, got)
		var strangers []string
		for _, repo := range []string{"team/app/sub", "secret/vault", "no/such"} {
			got := f.rawLine(t, spell(strings.ReplaceAll(c.line, "BLOB", seeds["secret/vault"].layer), repo))
			strangers = append(strangers, fmt.Sprintf("%s %s", got.Status, got.body))
			if got.StatusCode != http.StatusUnauthorized && got.StatusCode != c.open || got.StatusCode == http.StatusOK {
				t.Errorf("%q of %s without a password: %s %s", c.line, repo, got.Status, got.body)
			}
		}
		if strangers[0] != strangers[1] || strangers[0] != strangers[2] {
			t.Errorf("%q tells a stranger which repositories there are: %q", c.line, strangers)
		}
	}
	sameMap(t, "what the registry keeps", before, f.snapshot(t))
}

// checkForm: an error has a body that clients show.
func checkForm(t *testing.T, line string, got answer) {
	t.Helper()
	if code, message := errorCode(got.body); got.StatusCode >= 400 && (code == "" || message == "") {
		t.Errorf("%q: %s, not in the registry's form: %.200s", line, got.Status, got.body)
	}
}

// testHeaderForms sends what could be read as two requests or two users.
func testHeaderForms(t *testing.T, f *front, people map[string]person) {
	boss, dev := "Authorization: "+people["boss"].basic(), "Authorization: "+people["dev"].basic()
	for _, c := range []struct {
		name    string
		line    string
		headers []string
		want    int
	}{
		{"two users, the lesser one first", "GET /v2/_catalog HTTP/1.1", []string{dev, boss}, 400},
		{"two users, the greater one first", "GET /v2/_catalog HTTP/1.1", []string{boss, dev}, 400},
		{"the same user twice", "GET /v2/ HTTP/1.1", []string{dev, dev}, 400},
		{"another path in X-Original-URI", "GET /v2/_catalog HTTP/1.1", []string{dev, "X-Original-URI: /v2/", "X-Rewrite-URL: /v2/"}, 403},
		{"another method", "GET /v2/secret/vault/manifests/v1 HTTP/1.1", []string{dev, "X-HTTP-Method-Override: HEAD"}, 403},
		{"what the judgement itself sets", "GET /v2/_catalog HTTP/1.1", []string{dev, "X-Status: 204", "X-Decision: allowed", "X-User: boss", "X-Verb:", "X-Query: ?x"}, 403},
		{"lengths that contradict", "GET /v2/ HTTP/1.1", []string{dev, "Transfer-Encoding: chunked"}, 400},
		{"no host", "GET /v2/ HTTP/1.1", []string{dev, "Host:"}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := f.rawLine(t, c.line, c.headers...)
			if got.StatusCode != c.want {
				t.Errorf("%s %s, want %d", got.Status, got.body, c.want)
			}
			checkForm(t, c.line, got)
		})
	}
}
