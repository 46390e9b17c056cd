//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/gc/gctest"
	"github.com/regctl/regctl/pkg/storage"
)

// TestGCTreesServed has trees made at random, damaged ones among them, served by
// both registries before and after a collection. What the oracle says has to stay
// is answered as before, to the byte; what is gone is answered with 404.
func TestGCTreesServed(t *testing.T) {
	t.Parallel()
	const trees = 24
	root := t.TempDir()
	var asked []*asker
	for _, r := range registries {
		asked = append(asked, serveTrees(t, root, r.image))
	}
	stays, went := 0, 0
	for seed := range uint64(trees) {
		dir := filepath.Join(root, fmt.Sprint(seed))
		tree, w := gctest.Random(dir, 1000+seed, seed%3 == 0)
		files := questions(t, dir)
		serve(t, root, seed)
		before := make([][]string, len(asked))
		for i, a := range asked {
			before[i] = a.all(t, files)
		}
		keep := gctest.Expect(dir, w, tree.Now)
		o := gc.Options{DeleteUntagged: w.DeleteUntagged, CosignTags: w.CosignTags, UntaggedOlderThan: w.UntaggedOlderThan, Repositories: w.Repositories,
			Keep: w.Keep, Grace: w.Grace, Uploads: w.Uploads, KeepTrash: w.KeepTrash, Now: func() time.Time { return tree.Now }}
		for _, r := range w.Tags {
			o.Tags = append(o.Tags, gc.TagRemoval(r))
		}
		if _, err := gc.Collect(t.Context(), dir, o); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, a := range asked {
			after := a.all(t, files)
			for k, f := range files {
				switch {
				case keep[f.path] && after[k] != before[i][k]:
					t.Errorf("seed %d, %s: GET %s was %s, is %s", seed, registries[i].name, f.url, before[i][k], after[k])
				case !keep[f.path] && !strings.HasPrefix(after[k], "404 "):
					t.Errorf("seed %d, %s: GET %s of what is gone: %s", seed, registries[i].name, f.url, after[k])
				case keep[f.path] && strings.HasPrefix(after[k], "200 "):
					stays++
				case !keep[f.path]:
					went++
				}
			}
			a.catalog(t, seed, keep)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d answers stayed as they were, %d went", stays, went)
	if stays < 20*trees || went < 5*trees {
		t.Error("that is too little to find anything")
	}
}

// askable is what a client asks for, and the file that the answer hangs on.
type askable struct{ url, path string }

// questions are all that can be asked of a tree: its tags, manifests and layers.
func questions(t *testing.T, dir string) (out []askable) {
	t.Helper()
	v2 := filepath.Join(dir, "docker/registry/v2")
	err := filepath.WalkDir(filepath.Join(v2, "repositories"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "link" {
			return err
		}
		rel, err := filepath.Rel(v2, path)
		if err != nil {
			return err
		}
		at := strings.TrimPrefix(rel, "repositories/")
		part := func(sep string) (repo, rest string, ok bool) {
			i := strings.LastIndex(at, sep)
			if i < 0 {
				return "", "", false
			}
			return at[:i], strings.TrimSuffix(at[i+len(sep):], "/link"), true
		}
		if repo, tag, ok := part("/_manifests/tags/"); ok {
			if tag, current := strings.CutSuffix(tag, "/current"); current {
				out = append(out, askable{"/v2/" + repo + "/manifests/" + tag, rel})
			}
		} else if repo, digest, ok := part("/_manifests/revisions/"); ok {
			out = append(out, askable{"/v2/" + repo + "/manifests/" + strings.Replace(digest, "/", ":", 1), rel})
		} else if repo, digest, ok := part("/_layers/"); ok {
			out = append(out, askable{"/v2/" + repo + "/blobs/" + strings.Replace(digest, "/", ":", 1), rel})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// serve makes the registries serve one of the trees: their root is a link.
func serve(t *testing.T, root string, seed uint64) {
	t.Helper()
	if err := os.Symlink(fmt.Sprint(seed), filepath.Join(root, "next")); err != nil {
		t.Fatal(err)
	}
	rename(t, filepath.Join(root, "next"), filepath.Join(root, "current"))
}

// treesConfig is a registry that serves what is under a link, without a cache.
const treesConfig = `version: 0.1
log: {level: error}
storage:
  filesystem: {rootdirectory: /trees/current}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: ":5000", secret: trees}
`

// asker asks a bare registry.
type asker struct {
	address string
	client  http.Client
}

func serveTrees(t *testing.T, root, image string) *asker {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yml")
	writeFile(t, config, treesConfig, 0o644)
	a := &asker{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))}
	project := newProject()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := removeProject(ctx, project); err != nil {
			t.Error(err)
		}
	})
	tool(t, "docker", "run", "--detach", "--label", testLabel+"="+project, "--publish", a.address+":5000",
		"--volume", config+":/config.yml:ro", "--volume", root+":/trees:ro", "--env", "OTEL_TRACES_EXPORTER=none",
		"--entrypoint", "registry", image, "serve", "/config.yml")
	eventually(t, time.Minute, "the registry answers", func() bool {
		status, _, err := a.get("/v2/")
		return err == nil && status == http.StatusOK
	})
	return a
}

func (a *asker) get(path string) (status int, body []byte, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+a.address+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", strings.Join([]string{ociManifest, "application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"}, ", "))
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// all asks every question; an answer is the status and, of what is there, the sum.
func (a *asker) all(t *testing.T, questions []askable) []string {
	t.Helper()
	answers := make([]string, len(questions))
	err := storage.Each(8, len(questions), func(i int) error {
		status, body, err := a.get(questions[i].url)
		answers[i] = fmt.Sprintf("%d ", status)
		if status == http.StatusOK {
			answers[i] += fmt.Sprintf("sha256:%x", sha256.Sum256(body))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// catalog compares the list of repositories with those of which something stays.
func (a *asker) catalog(t *testing.T, seed uint64, keep map[string]bool) {
	t.Helper()
	_, body, err := a.get("/v2/_catalog?n=1000")
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Repositories []string }
	decode(t, string(body), &out)
	var want []string
	for path := range keep {
		for _, own := range []string{"/_manifests/", "/_layers/", "/_uploads/"} {
			if at := strings.LastIndex(path, own); at >= 0 {
				want = append(want, strings.TrimPrefix(path[:at], "repositories/"))
				break
			}
		}
	}
	slices.Sort(want)
	for _, name := range out.Repositories {
		if !slices.Contains(want, name) {
			t.Errorf("seed %d: the catalog of %s has %s, of which nothing is left", seed, a.address, name)
		}
	}
}
