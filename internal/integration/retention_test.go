//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// retained is what `regctl gc --json` says of the rules.
type retained struct {
	Tags      struct{ Kept, Deleted int }
	Retention *struct {
		Deleted, Kept int
		Consent       string
		Tags          []struct {
			Repository, Tag, Why, Reason string
			Delete                       bool
			Rules                        []string
		}
	}
}

const retentionRules = `retention:
  rules:
    - repositories: [team/*]
      keep_last: 1
      keep_pulled_within: 5s
immutable: ["team/**:stable"]`

// TestRetention has rules take what nobody uses, on a stack whose images a
// container runs and a client pulls; then tags and repositories are listed,
// removed by name and put back.
func TestRetention(t *testing.T) {
	t.Parallel()
	f := newFront(t, options{}, retentionRules)
	docker := newDockerCLI(t)
	docker.login(t, f.deployment)
	for _, tag := range []string{"b1", "b2", "b3", "b4", "stable"} {
		image := f.host() + "/team/app:" + tag
		importTiny(t, image)
		docker.must(t, "push", image)
	}
	f.pushRandom(t, "mine:v1", 1)
	name := f.project + "-user"
	docker.must(t, "create", "--name", name, f.host()+"/team/app:b2", "/content")
	t.Cleanup(func() { try(t, "docker", "rm", "--force", name) })
	// Pushed long ago, one after the other.
	root := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/repositories/team/app/_manifests/tags")
	for i, tag := range []string{"stable", "b1", "b2", "b3", "b4"} {
		at := time.Now().Add(-time.Duration(100-10*i) * 24 * time.Hour)
		if err := os.Chtimes(filepath.Join(root, tag, "current/link"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	status := func(tag string) int {
		return f.ask(t, f.boss(), http.MethodHead, "/v2/team/app/manifests/"+tag, "", header{"Accept", ociManifest + ", application/vnd.docker.distribution.manifest.v2+json"}).StatusCode
	}
	gc := func(args ...string) (r result, out retained) {
		t.Helper()
		if r = f.regctl(t, append([]string{"gc", "--json", "--grace", "0s"}, args...)...); r.status == 0 {
			r.json(t, &out)
		}
		return r, out
	}

	t.Run("a log that is too young keeps all", func(t *testing.T) {
		f.replace(t, "regctl.yaml", "keep_pulled_within: 5s", "keep_pulled_within: 90d")
		_, out := gc("--dry-run")
		if out.Retention == nil || out.Retention.Deleted != 0 {
			t.Errorf("%+v", out.Retention)
		}
		f.replace(t, "regctl.yaml", "keep_pulled_within: 90d", "keep_pulled_within: 5s")
	})
	t.Run("plan", func(t *testing.T) {
		time.Sleep(6 * time.Second) // what was pulled and pushed before is past
		f.whole(t, "team/app:b1")
		r, out := gc("--dry-run")
		if out.Retention == nil || out.Retention.Deleted != 1 || out.Retention.Kept != 5 {
			t.Fatalf("%v", r)
		}
		why := map[string]string{}
		for _, tag := range out.Retention.Tags {
			why[tag.Tag] = tag.Why
			if tag.Delete && (tag.Tag != "b3" || fmt.Sprint(tag.Rules) != "[retention.rules[0]]" || !strings.Contains(tag.Reason, "keep_last 1")) {
				t.Errorf("%+v", tag)
			}
		}
		if got := fmt.Sprint(why); got != "map[b1:keep_pulled_within b2:running b3: b4:keep_last stable:immutable]" {
			t.Errorf("reasons are %s", got)
		}
		if text := f.must(t, "gc", "--dry-run", "--grace", "0s").stdout; !strings.Contains(text, "delete tag team/app:b3: not kept by rules[0]") || !strings.Contains(text, "keep tag team/app:b2: container ") {
			t.Errorf("%s", text)
		}
		if _, err := os.Stat(filepath.Join(root, "b3/current/link")); err != nil {
			t.Errorf("a dry run took b3: %v", err)
		}
	})
	t.Run("done", func(t *testing.T) {
		time.Sleep(6 * time.Second)
		f.whole(t, "team/app:b1")
		r, out := gc()
		if out.Tags.Deleted != 1 || out.Retention == nil || out.Retention.Deleted != 1 {
			t.Fatalf("%v", r)
		}
		for tag, want := range map[string]int{"b1": 200, "b2": 200, "b3": 404, "b4": 200, "stable": 200} {
			if got := status(tag); got != want {
				t.Errorf("%s: %d, want %d", tag, got, want)
			}
			if want == 200 {
				f.whole(t, "team/app:"+tag)
			}
		}
		fi, err := os.Stat(f.path(".regctl/pulls.json"))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("pulls.json: %v, %v", fi, err)
		}
	})
	t.Run("too much at once", func(t *testing.T) {
		f.replace(t, "regctl.yaml", "keep_last: 1\n      keep_pulled_within: 5s", "keep_tags: [none]")
		f.replace(t, "regctl.yaml", "  rules:", "  max_delete: 10\n  rules:")
		r, _ := gc()
		r.want(t, 1, "retention would delete 2 of 5 tags, more than 10 %", "hint: regctl gc --dry-run")
		if status("b1") != 200 || status("b4") != 200 {
			t.Error("something went without consent")
		}
	})
	t.Run("by name", func(t *testing.T) {
		var repos struct {
			Repositories []struct {
				Name           string
				Tags           int
				Bytes          int64
				UniqueBytes    int64 `json:"unique_bytes"`
				ManifestsCount int   `json:"manifests"`
			}
		}
		f.must(t, "repo", "ls", "--json").json(t, &repos)
		if got := repos.Repositories; len(got) != 2 || got[0].Name != "mine" || got[1].Name != "team/app" || got[1].Tags != 4 || got[1].Bytes < 4*4096 || got[1].UniqueBytes > got[1].Bytes {
			t.Errorf("%+v", repos)
		}
		f.must(t, "tag", "ls", "team/app")
		f.regctl(t, "tag", "ls", "team").want(t, 1, "no such repository: team", "hint: regctl repo ls")
		f.regctl(t, "tag", "rm", "team/app:b4").want(t, 1, "hint: add --yes")
		f.regctl(t, "tag", "rm", "team/app:stable", "--yes").want(t, 1, "immutable")
		f.regctl(t, "repo", "rm", "team/app", "--yes").want(t, 1, "immutable")
		f.must(t, "tag", "rm", "team/app:b4", "--yes")
		if status("b4") != 404 || status("b2") != 200 {
			t.Errorf("b4 is %d, b2 is %d", status("b4"), status("b2"))
		}
		f.must(t, "gc", "undo")
		f.whole(t, "team/app:b4")
		f.must(t, "repo", "rm", "mine", "--yes")
		if got := f.catalog(t); got != "[team/app]" {
			t.Errorf("catalog: %s", got)
		}
		f.must(t, "gc", "undo")
		f.whole(t, "mine:v1")
	})
	f.noHold(t)
	if left := f.left(t); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}
