//go:build integration

package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// testImmutable is about `immutable: ["release/**:v*"]`: such a tag is pushed
// once. Who may push and delete everything is bound by it too.
func testImmutable(t *testing.T, f *front, people map[string]person) {
	s := f.seedRepository(t, "release/app")
	f.seedRepository(t, "release")
	f.seedRepository(t, "releases/app")
	releaser := f.addUser(t, "releaser", "--pull", "**", "--push", "**", "--delete", "**")
	both := []person{f.boss(), releaser}
	at := func(ref string) string { return "/v2/release/app/manifests/" + ref }
	t.Run("another digest", func(t *testing.T) {
		for _, who := range both {
			got := f.expect(t, http.StatusForbidden, who, http.MethodPut, at("v1"), f.another(s), ociType)
			if code, message := errorCode(got.body); code != "DENIED" || !strings.Contains(message, "tag v1 of release/app is immutable") || !strings.Contains(message, s.digest) {
				t.Errorf("%s", got.body)
			}
			if got := f.digest(t, "release/app:v1"); got != s.digest {
				t.Errorf("the tag was moved to %s", got)
			}
		}
	})
	t.Run("the same digest", func(t *testing.T) {
		free := f.expect(t, http.StatusCreated, releaser, http.MethodPut, at("latest"), s.manifest, ociType)
		again := f.expect(t, http.StatusCreated, releaser, http.MethodPut, at("v1"), s.manifest, ociType)
		for _, name := range []string{"Location", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "X-Content-Type-Options", "Strict-Transport-Security"} {
			if got, want := fmt.Sprint(again.Header.Values(name)), fmt.Sprint(free.Header.Values(name)); got != want {
				t.Errorf("%s is %s, of a free tag it is %s", name, got, want)
			}
		}
		got := f.expect(t, http.StatusOK, releaser, http.MethodGet, at("v1"), "", header{"Accept", ociManifest})
		if got.body != s.manifest || got.Header.Get("Content-Type") != ociManifest {
			t.Errorf("%s of type %s", got.body, got.Header.Get("Content-Type"))
		}
	})
	t.Run("what is free", func(t *testing.T) {
		for range 2 {
			for _, path := range []string{at("latest"), at("1"), at("nightly-v1"), "/v2/release/manifests/v1", "/v2/releases/app/manifests/v1"} {
				repo := strings.TrimSuffix(strings.TrimPrefix(path[:strings.LastIndex(path, "/manifests/")], "/v2/"), "/")
				own := s
				if repo != s.repo {
					own = f.seedRepository(t, repo)
				}
				f.expect(t, http.StatusCreated, releaser, http.MethodPut, path, f.another(own), ociType)
			}
		}
		m := f.another(s)
		f.expect(t, http.StatusCreated, releaser, http.MethodPut, at(sum([]byte(m))), m, ociType)
		f.expect(t, http.StatusAccepted, releaser, http.MethodDelete, at(sum([]byte(m))), "")
	})
	t.Run("delete", func(t *testing.T) {
		for _, who := range both {
			for _, ref := range []string{"v1", s.digest} {
				got := f.expect(t, http.StatusForbidden, who, http.MethodDelete, at(ref), "")
				if _, message := errorCode(got.body); message != "tag v1 of release/app is immutable" {
					t.Errorf("%s: %s", ref, got.body)
				}
			}
		}
		if got := f.digest(t, "release/app:v1"); got != s.digest {
			t.Errorf("the tag is %s", got)
		}
	})
	t.Run("who asks comes first", func(t *testing.T) {
		// What is too large is so whatever the tag, protected or not.
		large := strings.Repeat(" ", 5<<20)
		for _, ref := range []string{"v1", "v9", "latest"} {
			for _, body := range []string{f.another(s), large} {
				want, wantOther := http.StatusUnauthorized, http.StatusForbidden
				if body == large {
					want, wantOther = http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge
				}
				f.expect(t, want, person{}, http.MethodPut, at(ref), body, ociType)
				got := f.expect(t, wantOther, people["dev"], http.MethodPut, at(ref), body, ociType)
				if _, message := errorCode(got.body); body != large && !strings.Contains(message, "lacks the right push on release/app") {
					t.Errorf("%s: %s", ref, got.body)
				}
			}
		}
	})
	t.Run("bodies", func(t *testing.T) { testManifestBodies(t, f, s, releaser) })
	t.Run("two at once", func(t *testing.T) { testTwoAtOnce(t, f, s, releaser) })
	t.Run("slow body", func(t *testing.T) { testSlowBody(t, f, s, releaser) })
}

// testManifestBodies: what is no manifest is refused as under a free tag, and
// what has no length told before is taken.
func testManifestBodies(t *testing.T, f *front, s seed, who person) {
	for name, c := range map[string]struct {
		body string
		typ  header
	}{
		"no JSON":      {"nonsense", ociType},
		"empty":        {"", ociType},
		"no type":      {f.another(s), header{"X-None", "x"}},
		"other type":   {f.another(s), header{"Content-Type", "text/plain"}},
		"a layer lost": {strings.Replace(f.another(s), s.layer, sum([]byte("no such layer")), 1), ociType},
	} {
		t.Run(name, func(t *testing.T) {
			free := f.ask(t, who, http.MethodPut, "/v2/release/app/manifests/free", c.body, c.typ)
			bound := f.ask(t, who, http.MethodPut, "/v2/release/app/manifests/v-"+fmt.Sprint(f.counter.Add(1)), c.body, c.typ)
			freeCode, _ := errorCode(free.body)
			boundCode, _ := errorCode(bound.body)
			if free.StatusCode != bound.StatusCode || freeCode != boundCode || free.StatusCode >= 500 {
				t.Errorf("free tag %s %s, immutable tag %s %s", free.Status, free.body, bound.Status, bound.body)
			}
		})
	}
	for _, ref := range []string{"free", "v-large"} {
		for name, body := range map[string]io.Reader{"with its length": strings.NewReader(strings.Repeat(" ", 5<<20)), "in chunks": readerOf([]byte(strings.Repeat(" ", 5<<20)))} {
			req := f.request(t, http.MethodPut, "/v2/release/app/manifests/"+ref, body)
			req.SetBasicAuth(who.name, who.password)
			req.Header.Set("Content-Type", ociManifest)
			got := f.do(t, f.http, req)
			if code, _ := errorCode(got.body); got.StatusCode != http.StatusRequestEntityTooLarge || code != "SIZE_INVALID" {
				t.Errorf("5 MiB under %s, %s: %s %.200s", ref, name, got.Status, got.body)
			}
		}
	}
	m := f.another(s)
	req := f.request(t, http.MethodPut, "/v2/release/app/manifests/v-chunked", readerOf([]byte(m)))
	req.Header.Set("Content-Type", ociManifest)
	if got := f.do(t, f.http, req); got.StatusCode != http.StatusCreated || f.digest(t, "release/app:v-chunked") != sum([]byte(m)) {
		t.Errorf("in chunks: %s %s", got.Status, got.body)
	}
	// A large one, which would lie on the disk if it were spooled.
	big := f.manifest(s, strings.Repeat("x", 3<<20))
	f.expect(t, http.StatusCreated, who, http.MethodPut, "/v2/release/app/manifests/v-big", big, ociType)
	if got := f.digest(t, "release/app:v-big"); got != sum([]byte(big)) {
		t.Errorf("3 MiB: the tag is %s", got)
	}
}

// testTwoAtOnce: of several manifests that come at one moment for a new tag
// exactly one gets it.
func testTwoAtOnce(t *testing.T, f *front, s seed, who person) {
	for round := range 10 {
		ref := fmt.Sprint("v-race-", round)
		const pushes = 4
		answers := make([]answer, pushes)
		errs := make([]error, pushes)
		manifests := make([]string, pushes)
		var ready, wg sync.WaitGroup
		ready.Add(1)
		for i := range pushes {
			manifests[i] = f.another(s)
			wg.Go(func() {
				ready.Wait()
				answers[i], errs[i] = f.tryAsk(t, who, http.MethodPut, "/v2/release/app/manifests/"+ref, manifests[i], ociType)
			})
		}
		ready.Done()
		wg.Wait()
		won := -1
		for i := range pushes {
			switch {
			case errs[i] != nil:
				t.Fatal(errs[i])
			case answers[i].StatusCode == http.StatusCreated && won >= 0:
				t.Errorf("%s: two pushes won", ref)
			case answers[i].StatusCode == http.StatusCreated:
				won = i
			case answers[i].StatusCode != http.StatusForbidden:
				t.Errorf("%s: %s %s", ref, answers[i].Status, answers[i].body)
			}
		}
		if won < 0 {
			t.Fatalf("%s: nobody won", ref)
		}
		if got := f.digest(t, "release/app:"+ref); got != sum([]byte(manifests[won])) {
			t.Errorf("%s is %s, the winner pushed %s", ref, got, sum([]byte(manifests[won])))
		}
	}
}

// testSlowBody sends a manifest in two halves; others are not held up by it.
func testSlowBody(t *testing.T, f *front, s seed, who person) {
	conn, err := tls.Dial("tcp", f.address(), &tls.Config{RootCAs: f.roots(t), ServerName: f.domain})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	m := f.another(s)
	fmt.Fprintf(conn, "PUT /v2/release/app/manifests/v-slow HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		f.host(), who.basic(), ociManifest, len(m), m[:10])
	f.expect(t, http.StatusCreated, who, http.MethodPut, "/v2/release/app/manifests/v-meanwhile", f.another(s), ociType)
	// Also under the same tag: a lock held by who sends nothing would be one for
	// everybody to take.
	other := f.another(s)
	f.expect(t, http.StatusCreated, who, http.MethodPut, "/v2/release/app/manifests/v-slow", other, ociType)
	if _, err := io.WriteString(conn, m[10:]); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := f.digest(t, "release/app:v-slow"); resp.StatusCode != http.StatusForbidden || got != sum([]byte(other)) {
		t.Errorf("the slow one: %s, the tag is %s", resp.Status, got)
	}
}
