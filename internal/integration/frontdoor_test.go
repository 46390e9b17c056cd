//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestFrontDoor asks Nginx for what each of its settings is there for.
func TestFrontDoor(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image, httpPort: true})
			t.Run("Location", func(t *testing.T) { testLocation(t, d, true) })
			t.Run("outside the API", func(t *testing.T) { testOutside(t, d) })
			t.Run("headers", func(t *testing.T) { testHeaders(t, d) })
			t.Run("oversized headers", func(t *testing.T) { testOversized(t, d) })
			t.Run("TLS", func(t *testing.T) { testTLS(t, d) })
			t.Run("plain HTTP on the TLS port", func(t *testing.T) { testPlainOnTLS(t, d) })
			t.Run("port 80", func(t *testing.T) { testPort80(t, d) })
			t.Run("log", func(t *testing.T) { testAccessLog(t, d) })
			t.Run("absolute Location", func(t *testing.T) {
				registryEdit("relativeurls: true", "relativeurls: false")(t, d)
				testLocation(t, d, false)
			})
		})
	}
}

// testLocation begins uploads with forged headers. Where the client is sent to
// is the front door, whatever they say: because the registry names no host, and,
// should that ever be switched off, because Nginx tells it the right one.
func testLocation(t *testing.T, d *deployment, relative bool) {
	forged := []struct {
		name   string
		header string
		value  string
		host   bool
	}{
		{name: "nothing forged"},
		{name: "X-Forwarded-Host", header: "X-Forwarded-Host", value: "evil.example:99"},
		{name: "X-Forwarded-Proto", header: "X-Forwarded-Proto", value: "http"},
		{name: "X-Forwarded-Port", header: "X-Forwarded-Port", value: "99"},
		{name: "X-Forwarded-Prefix", header: "X-Forwarded-Prefix", value: "/evil"},
		{name: "Forwarded", header: "Forwarded", value: "host=evil.example;proto=http"},
		{name: "Host", value: "evil.example:99", host: true},
	}
	for _, f := range forged {
		if f.host && !relative {
			continue // a client that lies about its Host is sent to its own lie
		}
		t.Run(f.name, func(t *testing.T) {
			req := d.request(t, http.MethodPost, "/v2/forged/app/blobs/uploads/", nil)
			if f.host {
				req.Host = f.value
			} else if f.header != "" {
				req.Header.Set(f.header, f.value)
			}
			got := d.do(t, d.client(t), req)
			if got.StatusCode != http.StatusAccepted {
				t.Fatalf("POST: %s %s", got.Status, got.body)
			}
			location := got.Header.Get("Location")
			at, err := url.Parse(location)
			if err != nil || !strings.HasPrefix(at.Path, "/v2/forged/app/blobs/uploads/") {
				t.Fatalf("Location %q: %v", location, err)
			}
			want := d.url("")
			if relative {
				want = ""
			}
			if got, _, _ := strings.Cut(location, "/v2/"); got != want {
				t.Errorf("Location begins with %q, want %q", got, want)
			}
			if strings.Contains(fmt.Sprint(got.Header), "evil") || strings.Contains(got.body, "evil") {
				t.Errorf("the forged value comes back: %v %s", got.Header, got.body)
			}
			// It can be gone on with.
			if got := d.do(t, d.client(t), d.request(t, http.MethodDelete, d.url(at.RequestURI()), nil)); got.StatusCode != http.StatusNoContent {
				t.Errorf("DELETE of the upload: %s %s", got.Status, got.body)
			}
		})
	}
}

// registryError is the form of an error that clients show to people.
func registryError(t *testing.T, a answer) (code, message string) {
	t.Helper()
	var form struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &form); err != nil || len(form.Errors) != 1 {
		t.Fatalf("%s: not the registry's form of an error: %q", a.Status, a.body)
	}
	if ct := a.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("%s: content type %q", a.Status, ct)
	}
	return form.Errors[0].Code, form.Errors[0].Message
}

// testOutside: nothing but the API answers, and the rest in its form.
func testOutside(t *testing.T, d *deployment) {
	for _, path := range []string{"/", "/v1/_ping", "/v3/", "/index.html", "/debug/health", "/metrics", "/_error/", "/_error/too_many",
		"/_error/plain_http", "/_error/not_found", "/healthz", "/.well-known/acme-challenge/x", "/nginx.conf", "/v2/../etc/passwd"} {
		t.Run(path, func(t *testing.T) {
			got := d.get(t, path)
			if got.StatusCode != http.StatusNotFound {
				t.Fatalf("%s %s, want 404", got.Status, got.body)
			}
			if code, _ := registryError(t, got); code != "NOT_FOUND" {
				t.Errorf("code %q", code)
			}
		})
	}
	// As the registry itself does, and without the port inside the container.
	if got := d.get(t, "/v2"); got.StatusCode != http.StatusMovedPermanently || got.Header.Get("Location") != "/v2/" {
		t.Errorf("GET /v2: %s to %q, want 301 to /v2/", got.Status, got.Header.Get("Location"))
	}
	trace := d.do(t, d.client(t), d.request(t, http.MethodTrace, "/v2/", nil))
	if code, _ := registryError(t, trace); trace.StatusCode != http.StatusMethodNotAllowed || code == "" {
		t.Errorf("TRACE: %s", trace.Status)
	}
	up := plainPath(t, d, "/%2e%2e/%2e%2e/etc/passwd")
	if code, _ := registryError(t, up); up.StatusCode != http.StatusBadRequest || code == "" {
		t.Errorf("a path that leads above the root: %s, want 400", up.Status)
	}
}

// plainPath sends a path as it is written.
func plainPath(t *testing.T, d *deployment, path string) answer {
	t.Helper()
	req := d.request(t, http.MethodGet, "/", nil)
	req.URL.Opaque = path
	return d.do(t, d.client(t), req)
}

// testHeaders: what every answer has, Nginx's own and the registry's, and what
// none gives away.
func testHeaders(t *testing.T, d *deployment) {
	for _, path := range []string{"/v2/", "/nowhere", "/v2/none/such/manifests/1"} {
		for _, user := range []string{d.user, ""} {
			req := d.request(t, http.MethodGet, path, nil)
			if user == "" {
				req.Header.Del("Authorization")
			}
			got := d.do(t, d.client(t), req)
			name := fmt.Sprintf("GET %s as %q (%s)", path, user, got.Status)
			if server := got.Header.Get("Server"); server != "nginx" {
				t.Errorf("%s: Server %q", name, server)
			}
			if hsts := got.Header.Values("Strict-Transport-Security"); len(hsts) != 1 || !strings.HasPrefix(hsts[0], "max-age=") {
				t.Errorf("%s: Strict-Transport-Security %q", name, hsts)
			}
			if got := got.Header.Values("X-Content-Type-Options"); len(got) != 1 || got[0] != "nosniff" {
				t.Errorf("%s: X-Content-Type-Options %q, want it once", name, got)
			}
			if strings.Contains(path, "/v2/") && user == "" {
				if got.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic ") {
					t.Errorf("%s: challenge %q", name, got.Header.Get("WWW-Authenticate"))
				}
			}
		}
	}
	// Through HTTP/1.1, whose pushes are fast on lines with latency.
	if got := d.get(t, "/v2/"); got.ProtoMajor != 1 {
		t.Errorf("the front door speaks %s", got.Proto)
	}
}

// testOversized sends one header of 64 KiB, and many that are too much together.
func testOversized(t *testing.T, d *deployment) {
	for count, size := range map[int]int{1: 64 << 10, 16: 15 << 10} {
		req := d.request(t, http.MethodGet, "/v2/", nil)
		for i := range count {
			req.Header.Set(fmt.Sprintf("X-Long-%d", i), strings.Repeat("x", size))
		}
		got := d.do(t, d.client(t), req)
		if got.StatusCode != http.StatusBadRequest {
			t.Errorf("%d headers: %s, want 400", count, got.Status)
		}
		if _, message := registryError(t, got); message == "" {
			t.Errorf("%d headers: no message in %q", count, got.body)
		}
	}
	// What the largest real headers need, such as a long token, passes.
	req := d.request(t, http.MethodGet, "/v2/", nil)
	req.Header.Set("X-Long", strings.Repeat("x", 12<<10))
	if got := d.do(t, d.client(t), req); got.StatusCode != http.StatusOK {
		t.Errorf("a header of 12 KiB: %s", got.Status)
	}
	long := d.request(t, http.MethodGet, "/v2/"+strings.Repeat("x", 64<<10), nil)
	if got := d.do(t, d.client(t), long); got.StatusCode != http.StatusRequestURITooLong {
		t.Errorf("an address of 64 KiB: %s, want 414", got.Status)
	} else if code, _ := registryError(t, got); code != "SIZE_INVALID" {
		t.Errorf("an address of 64 KiB: code %q", code)
	}
}

// testAccessLog: Nginx logs one line of JSON a request, without the password.
func testAccessLog(t *testing.T, d *deployment) {
	req := d.request(t, http.MethodGet, "/v2/?token=in-the-query", nil)
	const agent = `quote " and \ backslash`
	req.Header.Set("User-Agent", agent)
	d.do(t, d.client(t), req)
	basic := strings.TrimPrefix(req.Header.Get("Authorization"), "Basic ")
	var out string
	eventually(t, 5*time.Second, "the log has the request", func() bool {
		out = tool(t, "docker", "logs", d.containerID(t, "nginx"))
		for line := range strings.Lines(out) {
			var entry struct{ User, Method, Path, Agent string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("not JSON: %v: %s", err, line)
			}
			if entry.Agent == agent && entry.User == d.user && entry.Method == http.MethodGet && entry.Path == "/v2/" {
				return true
			}
		}
		return false
	})
	for _, secret := range []string{d.password, basic, "in-the-query"} {
		if strings.Contains(out, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
