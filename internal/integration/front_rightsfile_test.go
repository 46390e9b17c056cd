//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const rightsFile = "auth/rights.json"

// nonsense is what an edit by hand can leave. Most of it would open something if
// it were read in part.
var nonsense = map[string]string{
	"empty":                `  `,
	"no JSON":              `alice may do everything`,
	"cut short":            `{"version":1,"users":{"alice":{"admin":true}`,
	"junk after it":        `{"version":1,"users":{"alice":{"admin":true}}} x`,
	"a list":               `[]`,
	"null":                 `null`,
	"no version":           `{"users":{"alice":{"admin":true}}}`,
	"version of tomorrow":  `{"version":2,"users":{"alice":{"admin":true}}}`,
	"version as text":      `{"version":"1","users":{"alice":{"admin":true}}}`,
	"no users":             `{"version":1}`,
	"users as a list":      `{"version":1,"users":[{"alice":{"admin":true}}]}`,
	"users as null":        `{"version":1,"users":null}`,
	"user as text":         `{"version":1,"users":{"alice":"admin"}}`,
	"user as null":         `{"version":1,"users":{"alice":{"admin":true},"bob":null}}`,
	"user as a list":       `{"version":1,"users":{"alice":{"admin":true},"bob":[]}}`,
	"pattern as text":      `{"version":1,"users":{"alice":{"pull":"**"}}}`,
	"pattern as a number":  `{"version":1,"users":{"alice":{"pull":["**",1]}}}`,
	"empty pattern":        `{"version":1,"users":{"alice":{"pull":["**",""]}}}`,
	"verb as null":         `{"version":1,"users":{"alice":{"pull":["**"],"push":null}}}`,
	"verb as an object":    `{"version":1,"users":{"alice":{"pull":{"0":"**"}}}}`,
	"admin as text":        `{"version":1,"users":{"alice":{"admin":"true"}}}`,
	"admin as a number":    `{"version":1,"users":{"alice":{"admin":1}}}`,
	"expiry as a word":     `{"version":1,"users":{"alice":{"admin":true,"expires":"never"}}}`,
	"expiry as a number":   `{"version":1,"users":{"alice":{"admin":true,"expires":4102444800000}}}`,
	"expiry as null":       `{"version":1,"users":{"alice":{"admin":true,"expires":null}}}`,
	"expiry before 1970":   `{"version":1,"users":{"alice":{"admin":true,"expires":"1960-01-01T00:00:00Z"}}}`,
	"a verb that is none":  `{"version":1,"users":{"alice":{"admin":true,"pul":["**"]}}}`,
	"a pattern that is no": `{"version":1,"users":{"alice":{"admin":true,"pull":["team/"]}}}`,
	"a user twice":         `{"version":1,"users":{"alice":{"pull":["team/**"]},"alice":{"admin":true}}}`,
	"no UTF-8":             "{\"version\":1,\"users\":{\"alice\":{\"admin\":true},\"b\xff\":{}}}",
}

// TestFrontRightsFile edits the rights by hand.
func TestFrontRightsFile(t *testing.T) {
	f := newFront(t, options{})
	alice := f.addUser(t, "alice", "--pull", "team/**")
	for _, repo := range []string{"team/app", "secret/vault"} {
		f.seedRepository(t, repo)
	}
	good := f.read(t, rightsFile)
	may := func(t *testing.T, what string, who person, team, secret int) {
		t.Helper()
		for repo, want := range map[string]int{"team/app": team, "secret/vault": secret} {
			got := f.ask(t, who, http.MethodGet, "/v2/"+repo+"/manifests/v1", "", header{"Accept", ociManifest})
			if got.StatusCode != want {
				t.Errorf("%s: %s gets %s of %s: %s, want %d", what, who, got.Status, repo, got.body, want)
			}
		}
	}
	may(t, "before", alice, 200, 403)
	for name, text := range nonsense {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			f.write(t, rightsFile, text)
			may(t, "with nonsense", alice, 200, 403)
			may(t, "with nonsense", f.boss(), 200, 200)
			r := f.regctl(t, "user", "grant", "alice", "--pull", "secret/vault")
			r.want(t, 4, "rights.json", "line 1")
			if got := f.read(t, rightsFile); got != text {
				t.Errorf("grant touched the file: %s", got)
			}
			if log := f.nginxErrors(t, began); !strings.Contains(log, "rights.json") {
				t.Errorf("Nginx does not name the file: %s", log)
			}
			f.write(t, rightsFile, good)
			may(t, "mended", alice, 200, 403)
		})
	}
	t.Run("gone", func(t *testing.T) { testRightsGone(t, f, alice, good, may) })
	t.Run("restart", func(t *testing.T) { testRightsRestart(t, f, alice, good, may) })
	t.Run("users without an entry", func(t *testing.T) { testNoEntry(t, f, may) })
	t.Run("many large changes", func(t *testing.T) { testManyRights(t, f) })
}

// nginxErrors is what Nginx wrote to its error log since then.
func (d *deployment) nginxErrors(t *testing.T, since time.Time) string {
	t.Helper()
	return try(t, "docker", "logs", "--since", since.UTC().Format(time.RFC3339Nano), d.containerID(t, "nginx")).stderr
}

// testRightsGone takes the file away twice: what it was the first time is not
// what it was the second time.
func testRightsGone(t *testing.T, f *front, alice person, good string, may func(*testing.T, string, person, int, int)) {
	gone := func() {
		t.Helper()
		if err := os.Remove(f.path(rightsFile)); err != nil {
			t.Fatal(err)
		}
	}
	f.must(t, "user", "grant", "alice", "--pull", "secret/**")
	may(t, "granted", alice, 200, 200)
	gone()
	may(t, "gone", alice, 200, 200)
	f.write(t, rightsFile, good)
	may(t, "there again, without that right", alice, 200, 403)
	gone()
	may(t, "gone a second time", alice, 200, 403)
	f.write(t, rightsFile, good)
	if err := os.Chmod(f.path(rightsFile), 0o600); err != nil {
		t.Fatal(err)
	}
	may(t, "readable for its owner alone", alice, 200, 403)
	gone()
	if err := os.Mkdir(f.path(rightsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	may(t, "a directory", alice, 200, 403)
	gone()
	f.write(t, rightsFile, good)
	may(t, "mended", alice, 200, 403)
}

// testRightsRestart restarts Nginx, which then has no good rights to go on with.
func testRightsRestart(t *testing.T, f *front, alice person, good string, may func(*testing.T, string, person, int, int)) {
	for _, text := range []string{nonsense["cut short"], ""} {
		f.write(t, rightsFile, text)
		tool(t, "docker", "restart", f.containerID(t, "nginx"))
		eventually(t, 20*time.Second, "Nginx answers", func() bool {
			a, err := f.tryAsk(t, alice, http.MethodGet, "/v2/", "")
			return err == nil && a.StatusCode == http.StatusOK
		})
		may(t, "after a restart", alice, 403, 403)
		may(t, "after a restart", f.boss(), 403, 403)
		f.expect(t, http.StatusForbidden, f.boss(), http.MethodGet, "/v2/_catalog", "")
		f.write(t, rightsFile, good)
		may(t, "mended", alice, 200, 403)
		may(t, "mended", f.boss(), 200, 200)
	}
}

// testNoEntry: a user that somebody added with `htpasswd` may log in, and
// nothing else, whatever it is called.
func testNoEntry(t *testing.T, f *front, may func(*testing.T, string, person, int, int)) {
	for _, name := range []string{"orphan", "constructor", "__proto__", "tostring", "users", "version"} {
		p := f.addLine(t, name)
		f.expect(t, http.StatusOK, p, http.MethodGet, "/v2/", "")
		may(t, "no entry", p, 403, 403)
		a := f.expect(t, http.StatusForbidden, p, http.MethodGet, "/v2/team/app/tags/list", "")
		if _, message := errorCode(a.body); message != "user "+name+" lacks the right pull on team/app" {
			t.Errorf("%s", a.body)
		}
		f.expect(t, http.StatusForbidden, p, http.MethodGet, "/v2/_catalog", "")
		if list := f.must(t, "user", "ls").stdout; !strings.Contains(list, name) || !strings.Contains(list, "no rights") {
			t.Errorf("user ls: %s", list)
		}
		f.must(t, "user", "grant", name, "--pull", "team/*")
		may(t, "granted", p, 200, 403)
	}
}

// testManyRights changes a large file often: what Nginx keeps of each state of
// it must not fill its memory.
func testManyRights(t *testing.T, f *front) {
	p := f.addUser(t, "large")
	var file struct {
		Version int                       `json:"version"`
		Users   map[string]map[string]any `json:"users"`
	}
	decode(t, f.read(t, rightsFile), &file)
	patterns := make([]string, 0, 2000)
	for i := range cap(patterns) {
		patterns = append(patterns, fmt.Sprintf("a-team-with-a-long-name/and-its-project-number-%d/**", i))
	}
	for i := range 120 {
		last := "other/app"
		want := http.StatusForbidden
		if i%2 == 0 {
			last, want = "team/app", http.StatusOK
		}
		file.Users["large"]["pull"] = append(patterns, last)
		text, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, f.path("auth/.edit"), string(text), 0o644)
		rename(t, f.path("auth/.edit"), f.path(rightsFile))
		f.expect(t, want, p, http.MethodGet, "/v2/team/app/tags/list", "")
	}
}
