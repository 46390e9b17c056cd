//go:build integration

package integration

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// accessEntry is a line of the access log.
type accessEntry struct {
	Time                                          time.Time
	Address, User, Method, Path, Verb, Repository string
	Reference, Decision, Memory, Agent            string
	Status                                        int
	Received, Sent                                int64
	Seconds                                       float64
}

// testLog makes requests of every kind and finds each in the access log, by the
// agent that it says it is.
func testLog(t *testing.T, f *front, people map[string]person) {
	s := f.seedRepository(t, "release/logged")
	layer := strings.Repeat("a layer of some size ", 1000)
	blob := f.pushBlob(t, "release/logged", layer)
	digest := sum([]byte(s.manifest))
	wrong := person{"dev", "a wrong password"}
	rows := []struct {
		agent, method, path, body string
		who                       person
		want                      accessEntry
	}{
		{"push", "PUT", "/v2/release/logged/manifests/v1?x=in-the-query", s.manifest, f.boss(),
			accessEntry{Verb: "push", Repository: "release/logged", Reference: "v1", Decision: "allowed", Status: 201}},
		{"push-moved", "PUT", "/v2/release/logged/manifests/v1", f.another(s), f.boss(),
			accessEntry{Verb: "push", Repository: "release/logged", Reference: "v1", Decision: "immutable", Status: 403}},
		{"push-free", "PUT", "/v2/release/logged/manifests/latest", s.manifest, f.boss(),
			accessEntry{Verb: "push", Repository: "release/logged", Reference: "latest", Decision: "allowed", Status: 201}},
		{"pull", "GET", "/v2/release/logged/manifests/v1", "", people["reader"],
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: "v1", Decision: "allowed", Status: 200}},
		{"pull-digest", "HEAD", "/v2/release/logged/manifests/" + digest, "", people["reader"],
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: digest, Decision: "allowed", Status: 200}},
		{"pull-blob", "GET", "/v2/release/logged/blobs/" + blob, "", people["reader"],
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: blob, Decision: "allowed", Status: 200}},
		{"pull-missing", "GET", "/v2/release/logged/blobs/" + sum([]byte("no")), "", people["reader"],
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: sum([]byte("no")), Decision: "allowed", Status: 404}},
		{"tags", "GET", "/v2/release/logged/tags/list?n=5", "", people["reader"],
			accessEntry{Verb: "pull", Repository: "release/logged", Decision: "allowed", Status: 200}},
		{"denied", "DELETE", "/v2/release/logged/manifests/latest", "", people["dev"],
			accessEntry{Verb: "delete", Repository: "release/logged", Reference: "latest", Decision: "right", Status: 403}},
		{"denied-blob", "GET", "/v2/release/logged/blobs/" + blob, "", people["dev"],
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: blob, Decision: "right", Status: 403}},
		{"catalog", "GET", "/v2/_catalog", "", people["reader"], accessEntry{Verb: "admin", Decision: "right", Status: 403}},
		{"anonymous", "GET", "/v2/release/logged/manifests/v1", "", person{},
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: "v1", Decision: "anonymous", Status: 401}},
		{"wrong", "GET", "/v2/release/logged/manifests/v1", "", wrong,
			accessEntry{Verb: "pull", Repository: "release/logged", Reference: "v1", Decision: "password", Status: 401}},
		{"ended", "GET", "/v2/", "", people["ended"], accessEntry{Decision: "expired", Status: 401}},
		{"path", "GET", "/v2/release/../x/manifests/v1", "", people["dev"], accessEntry{Decision: "path", Status: 400}},
		{"outside", "GET", "/nowhere?x=in-the-query", "", people["dev"], accessEntry{Status: 404}},
	}
	for _, r := range rows {
		headers := []header{{"User-Agent", "log-" + r.agent}, {"Accept", ociManifest}, ociType}
		f.expect(t, r.want.Status, r.who, r.method, r.path, r.body, headers...)
	}
	f.expect(t, http.StatusAccepted, people["dev"], http.MethodPatch, f.session(t, people["dev"], "team/logged"), layer, header{"User-Agent", "log-upload"})

	entries, text := map[string]accessEntry{}, ""
	eventually(t, 10*time.Second, "the log has the last request", func() bool {
		r := f.must(t, "logs", "--access", "--json")
		text = r.stdout + r.stderr
		for line := range strings.Lines(r.stdout) {
			var e accessEntry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("not JSON: %v: %s", err, line)
			}
			if agent, ours := strings.CutPrefix(e.Agent, "log-"); ours {
				entries[agent] = e
			}
		}
		return entries["upload"].Agent != ""
	})
	for _, r := range rows {
		got, want := entries[r.agent], r.want
		want.Method = r.method
		want.Path, _, _ = strings.Cut(r.path, "?")
		if want.User = r.who.name; r.agent == "outside" {
			want.User = "" // nobody asked who it is
		}
		// It says how a password was found to be right, where it was.
		known := r.who.name != "" && want.Decision != "password" && want.Decision != ""
		if known != slices.Contains([]string{"hit", "checked", "joined"}, got.Memory) || !known && got.Memory != "" {
			t.Errorf("%s: memory %q", r.agent, got.Memory)
		}
		if time.Since(got.Time).Abs() > 5*time.Minute || got.Address == "" || got.Received < 100 || got.Sent < 100 || got.Seconds < 0 {
			t.Errorf("%s: %+v", r.agent, got)
		}
		got.Time, got.Address, got.Agent, got.Memory, got.Received, got.Sent, got.Seconds = time.Time{}, "", "", "", 0, 0, 0
		if got != want {
			t.Errorf("%s: %+v, want %+v", r.agent, got, want)
		}
	}
	if got := entries["upload"]; got.User != "dev" || got.Verb != "push" || got.Repository != "team/logged" || got.Received < int64(len(layer)) || got.Status != 202 {
		t.Errorf("upload: %+v", got)
	}
	if got := entries["pull-blob"]; got.Sent < int64(len(layer)) || entries["denied-blob"].Sent > 2000 {
		t.Errorf("bytes of a blob: %+v, and to who may not have it: %+v", got, entries["denied-blob"])
	}
	if got := entries["wrong"].Seconds; got < 0.9 {
		t.Errorf("a wrong password took %v s", got)
	}
	people["wrong"] = wrong
	defer delete(people, "wrong")
	for _, p := range people {
		basic := p.name + ":" + p.password
		for _, secret := range []string{p.password, base64.StdEncoding.EncodeToString([]byte(basic))} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds a secret of %s", p)
			}
		}
	}
	for _, no := range []string{"in-the-query", "_state", "Authorization", "?"} {
		if strings.Contains(text, no) {
			t.Errorf("the log holds %q", no)
		}
	}
	t.Run("for a person", func(t *testing.T) {
		lines := f.must(t, "logs", "--access", "--tail", "200").stdout
		for _, want := range [][]string{
			{" " + f.user + " ", " PUT ", " 201 ", "release/logged:latest"},
			{" reader ", " GET ", " 200 ", "release/logged:v1"},
			{" reader ", " HEAD ", " 200 ", "release/logged@" + digest},
			{" dev ", " DELETE ", " 403 ", "release/logged:latest", "refused: right"},
			{" - ", " GET ", " 401 ", "release/logged:v1", "refused: anonymous"},
			{" dev ", " GET ", " 401 ", "release/logged:v1", "refused: password"},
			{" " + f.user + " ", " PUT ", " 403 ", "release/logged:v1", "refused: immutable"},
		} {
			if !slices.ContainsFunc(strings.Split(lines, "\n"), func(line string) bool {
				return !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(line, part) })
			}) {
				t.Errorf("no line with %q in\n%s", want, lastLines(lines, 30))
			}
		}
		if strings.Contains(lines, "{") {
			t.Errorf("other than access lines:\n%s", lastLines(lines, 30))
		}
	})
}
