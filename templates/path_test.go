package templates

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	v2 "github.com/docker/distribution/registry/api/v2"
	"github.com/gorilla/mux"
)

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func TestParse(t *testing.T) {
	vm, module := script(t, "path.js")
	parse := function(t, vm, module, "parse")
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct{ method, uri, want string }{
		// want: kind verb name ref, or the status of a refusal
		{"GET", "/v2/", "base   "},
		{"HEAD", "/v2/", "base   "},
		{"POST", "/v2/", "405"},
		{"GET", "/v2/_catalog?n=5", "catalog admin  "},
		{"DELETE", "/v2/_catalog", "405"},
		{"GET", "/v2/team/app/tags/list?n=1&last=x", "tags pull team/app "},
		{"PUT", "/v2/team/app/tags/list", "405"},
		{"GET", "/v2/app/manifests/v1", "manifest pull app v1"},
		{"HEAD", "/v2/app/manifests/" + digest, "manifest pull app " + digest},
		{"PUT", "/v2/app/manifests/v1", "manifest push app v1"},
		{"DELETE", "/v2/app/manifests/v1", "manifest delete app v1"},
		{"POST", "/v2/app/manifests/v1", "405"},
		{"PATCH", "/v2/app/manifests/v1", "405"},
		{"GET", "/v2/app/blobs/" + digest, "blob pull app " + digest},
		{"DELETE", "/v2/app/blobs/" + digest, "blob delete app " + digest},
		{"PUT", "/v2/app/blobs/" + digest, "405"},
		{"POST", "/v2/app/blobs/uploads/", "uploads push app "},
		{"GET", "/v2/app/blobs/uploads/", "405"},
		{"PATCH", "/v2/app/blobs/uploads/0f-1", "upload push app 0f-1"},
		{"PUT", "/v2/app/blobs/uploads/0f-1?digest=" + digest, "upload push app 0f-1"},
		{"GET", "/v2/app/blobs/uploads/0f-1", "upload push app 0f-1"},
		{"DELETE", "/v2/app/blobs/uploads/0f-1", "upload push app 0f-1"},
		{"GET", "/v2/app/referrers/" + digest, "referrers pull app " + digest},
		// Words of the API in names.
		{"GET", "/v2/manifests/manifests/manifests", "manifest pull manifests manifests"},
		{"GET", "/v2/a/blobs/uploads/manifests/v1", "manifest pull a/blobs/uploads v1"},
		{"GET", "/v2/tags/list/tags/list", "tags pull tags/list "},
		{"GET", "/v2/a/manifests/tags/list", "tags pull a/manifests "},
		// What could be read in two ways.
		{"GET", "/v2/a/../b/manifests/v1", "400"},
		{"GET", "/v2/a/./b/manifests/v1", "400"},
		{"GET", "/v2//a/manifests/v1", "400"},
		{"GET", "/v2/a//manifests/v1", "400"},
		{"GET", "/v2/a%2fb/manifests/v1", "400"},
		{"GET", "/v2/%61/manifests/v1", "400"},
		{"GET", "/v2/a/manifests/v1%00", "400"},
		{"GET", "/v2/a/manifests/v1;x", "400"},
		{"GET", "/v2/a\\b/manifests/v1", "400"},
		{"GET", "/V2/a/manifests/v1", "400"},
		{"GET", "http://host/v2/a/manifests/v1", "400"},
		{"GET", "/v2", "400"},
		// What is none.
		{"GET", "/v2/a", "404"},
		{"GET", "/v2/a/manifests/", "404"},
		{"GET", "/v2/a/blobs/uploads", "404"}, // the registry would redirect
		{"GET", "/v2/manifests/v1", "404"},
		{"GET", "/v2/Team/manifests/v1", "404"},
		{"GET", "/v2/a__b/manifests/v1", "manifest pull a__b v1"},
		{"GET", "/v2/a___b/manifests/v1", "404"},
		{"GET", "/v2/-a/manifests/v1", "404"},
		{"GET", "/v2/" + strings.Repeat("a", 256) + "/manifests/v1", "404"},
	} {
		got := describe(parse(c.method, c.uri).(map[string]any))
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.uri, got, c.want)
		}
	}
}

func describe(m map[string]any) string {
	if status, ok := m["status"]; ok {
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%s %s %s %s", text(m, "kind"), text(m, "verb"), text(m, "name"), text(m, "ref"))
}

// routes ties our kinds to the registry's own routes and their variables.
var routes = map[string]struct{ route, ref string }{
	"base":     {v2.RouteNameBase, ""},
	"catalog":  {v2.RouteNameCatalog, ""},
	"tags":     {v2.RouteNameTags, ""},
	"manifest": {v2.RouteNameManifest, "reference"},
	"blob":     {v2.RouteNameBlob, "digest"},
	"uploads":  {v2.RouteNameBlobUpload, ""},
	"upload":   {v2.RouteNameBlobUploadChunk, "uuid"},
}

// What is let through is read by the registry as it was judged: the same route,
// the same repository, the same reference. The oracle is the registry's router.
func TestParseAgreesWithRegistry(t *testing.T) {
	vm, module := script(t, "path.js")
	parse := function(t, vm, module, "parse")
	router := v2.Router()
	words := []string{"a", "team", "app", "manifests", "blobs", "uploads", "tags", "list", "_catalog", "referrers", "v2",
		"sha256:" + strings.Repeat("0", 64), "sha512:" + strings.Repeat("f", 128), "0f-1_x=", "a.b", "a__b", "a-b", "A", "", ".", "..", "a_", "%61", "x:y"}
	random := rand.New(rand.NewPCG(1, 2))
	accepted := map[string]int{}
	for range 100_000 {
		parts := make([]string, 1+random.IntN(7))
		for i := range parts {
			parts[i] = words[random.IntN(len(words))]
		}
		path := "/v2/" + strings.Join(parts, "/")
		if random.IntN(2) == 0 {
			path += []string{"/blobs/uploads/", "/blobs/uploads/0f-1", "/tags/list", "/manifests/latest", "/blobs/sha256:" + strings.Repeat("0", 64)}[random.IntN(5)]
		}
		method := []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"}[random.IntN(6)]
		got := parse(method, path).(map[string]any)
		if _, refused := got["status"]; refused {
			continue
		}
		kind := text(got, "kind")
		if kind == "referrers" { // neither version has the route
			continue
		}
		var match mux.RouteMatch
		req := &http.Request{Method: method, URL: &url.URL{Path: path}, Host: "x"}
		if !router.Match(req, &match) || match.Route == nil || match.Handler != nil && match.Route.GetName() == "" {
			continue // the registry answers 404 by itself
		}
		want := routes[kind]
		if match.Route.GetName() != want.route {
			t.Fatalf("%s is %q for the front door, route %q for the registry", path, kind, match.Route.GetName())
		}
		if name := match.Vars["name"]; name != text(got, "name") {
			t.Fatalf("%s is about %q for the front door, %q for the registry", path, text(got, "name"), name)
		}
		if want.ref != "" && match.Vars[want.ref] != text(got, "ref") {
			t.Fatalf("%s has reference %q for the front door, %q for the registry", path, text(got, "ref"), match.Vars[want.ref])
		}
		accepted[kind]++
	}
	for kind := range routes {
		if kind != "base" && accepted[kind] < 10 {
			t.Errorf("only %d paths of kind %s were compared", accepted[kind], kind)
		}
	}
}

// And the other way round: whatever the registry's router takes for a request
// with a legal name is not refused for its path.
func TestParseTakesWhatTheRegistryTakes(t *testing.T) {
	vm, module := script(t, "path.js")
	parse := function(t, vm, module, "parse")
	digest := "sha256:" + strings.Repeat("0", 64)
	for _, name := range []string{"a", "a/b", "a.b/c-d/e__f", "tags/list", "a/blobs/uploads", "manifests", "0", "a--b"} {
		for method, path := range map[string]string{
			"GET": "/tags/list", "PUT": "/manifests/v1.0_x-Y", "HEAD": "/blobs/" + digest, "POST": "/blobs/uploads/",
			"PATCH": "/blobs/uploads/7f7b1a2c-0000-4000-8000-000000000000", "DELETE": "/manifests/" + digest,
		} {
			got := parse(method, "/v2/"+name+path).(map[string]any)
			if text(got, "name") != name {
				t.Errorf("%s /v2/%s%s: %s", method, name, path, describe(got))
			}
		}
	}
}

func TestStartQuery(t *testing.T) {
	vm, module := script(t, "path.js")
	start := function(t, vm, module, "startQuery")
	for _, c := range []struct{ query, want string }{
		{"", "mount= from= digest= name="},
		{"mount=sha256:aa&from=team/app", "mount=sha256:aa from=team/app digest= name=team/app"},
		{"mount=sha256%3Aaa&from=team%2Fapp", "mount=sha256%3Aaa from=team%2Fapp digest= name=team/app"},
		{"digest=sha256:aa", "mount= from= digest=sha256:aa name="},
		{"other=1&from=a", "mount= from=a digest= name=a"},
		{"from=a&from=b", "refused"},
		{"fr%6fm=b&from=a", "refused"},
		{"from=a;from=b", "refused"},
		{"from=../a", "refused"},
		{"from=%", "refused"},
		{"from=A", "refused"},
		{"mount=a&mount=b", "refused"},
	} {
		got := "refused"
		if m, ok := start(c.query).(map[string]any); ok {
			got = fmt.Sprintf("mount=%s from=%s digest=%s name=%s", text(m, "mount"), text(m, "from"), text(m, "digest"), text(m, "name"))
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.query, got, c.want)
		}
	}
}
