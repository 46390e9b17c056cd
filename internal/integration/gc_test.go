//go:build integration

package integration

import (
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGC collects, undoes and frees on a stack that is used meanwhile.
func TestGC(t *testing.T) {
	t.Parallel()
	oras := newSigner(t)
	for _, r := range []struct{ name, image string }{{"registry 3", imageRegistry3}, {"registry 2", imageRegistry2}} {
		t.Run(r.name, func(t *testing.T) {
			testGC(t, newFront(t, options{registry: r.image}), oras)
		})
	}
}

func testGC(t *testing.T, f *front, oras string) {
	s := f.seedRepository(t, "team/app")
	signature := f.attach(t, "team/app", s.digest, len(s.manifest))
	index := f.pushIndex(t, "team/multi:v1", 3)
	f.pushRandom(t, "team/old:v1", 2)
	old := f.pushRandom(t, "team/old:v1", 2) // the first is untagged now
	f.pushRandom(t, "gone/for/good:v1", 2)
	f.pushRandom(t, "team/short:v1", 1)
	for _, image := range []string{"gone/for/good:v1", "team/short:v1"} {
		repo, tag, _ := strings.Cut(image, ":")
		f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/"+repo+"/manifests/"+f.digest(t, repo+":"+tag), "")
	}
	before := f.stored(t)

	t.Run("dry run", func(t *testing.T) {
		plan := f.gc(t, "--dry-run")
		if !plan.DryRun || plan.Blobs.Deleted == 0 || plan.Bytes.Freed == 0 {
			t.Errorf("%+v", plan)
		}
		if now := f.stored(t); now != before {
			t.Error("a dry run changed something")
		}
	})
	t.Run("default grace keeps what is young", func(t *testing.T) {
		var out collected
		f.must(t, "gc", "--yes", "--json", "--delete-untagged").json(t, &out)
		if out.Blobs.Deleted != 0 || f.stored(t) != before {
			t.Errorf("%+v", out)
		}
	})
	t.Run("collect", func(t *testing.T) {
		out := f.gc(t)
		t.Logf("%+v", out)
		// Three images of config and layers and their manifests.
		if out.Blobs.Deleted != 4+4+3 || out.Manifests.Deleted != 1 || len(out.Problems) != 0 {
			t.Errorf("%+v", out)
		}
		for _, image := range []string{"team/app:v1", "team/multi:v1", "team/multi@" + index, "team/old@" + old, "team/app@" + signature} {
			f.whole(t, image)
		}
		if got := f.catalog(t); got != "[team/app team/multi team/old]" {
			t.Errorf("catalog: %s", got)
		}
		f.noHold(t)
		if left := f.left(t); left != "" {
			t.Errorf("containers are left: %s", left)
		}
		f.pushRandom(t, "team/new:v1", 2)
		f.whole(t, "team/new:v1")
		f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/team/new/manifests/"+f.digest(t, "team/new:v1"), "")
	})
	t.Run("undo", func(t *testing.T) {
		f.must(t, "gc", "undo", "--yes")
		now := f.stored(t)
		for line := range strings.Lines(before) {
			if !strings.Contains(now, line) {
				t.Fatalf("not as before: %s", line)
			}
		}
		f.whole(t, "team/old:v1")
	})
	t.Run("purge", func(t *testing.T) {
		f.gc(t, "--keep-trash", "0s")
		if r := f.regctl(t, "gc", "undo", "--yes"); r.status == 0 {
			t.Errorf("what was freed at once was put back: %v", r)
		}
		f.must(t, "gc", "purge", "--yes")
		out := f.gc(t)
		if out.Blobs.Deleted != 0 {
			t.Errorf("there was more to collect: %+v", out)
		}
	})
	t.Run("signed", func(t *testing.T) { testSigned(t, f, oras) })
	t.Run("what deletions leave", func(t *testing.T) { testLeftovers(t, f) })
	t.Run("damage", func(t *testing.T) {
		root := f.volume(t, "registry-data")
		hex := strings.TrimPrefix(s.digest, "sha256:")
		data := filepath.Join(root, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
		if err := os.Truncate(data, 10); err != nil {
			t.Fatal(err)
		}
		r := f.regctl(t, "gc", "--yes", "--json", "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s")
		r.want(t, 3)
		var out collected
		r.json(t, &out)
		if len(out.Problems) == 0 || out.Problems[0].Repository != "team/app" || out.Problems[0].ID == "" || out.Problems[0].Message == "" {
			t.Errorf("%+v", out.Problems)
		}
		f.expect(t, http.StatusOK, f.boss(), http.MethodGet, "/v2/team/app/blobs/"+s.layer, "")
	})
}

// TestGCRefuses will not collect where that would break images.
func TestGCRefuses(t *testing.T) {
	t.Parallel()
	f := newFront(t, options{})
	f.pushRandom(t, "a:1", 1)
	t.Run("no deployment, no root", func(t *testing.T) {
		r := startProcess(t, []string{"REGCTL_DIR=" + t.TempDir()}, "", regctlBin, "gc", "--yes").wait(t)
		r.want(t, 4, "hint: ")
		startProcess(t, nil, "", regctlBin, "gc", "--yes", "--root", t.TempDir()).wait(t).want(t, 1, "docker/registry/v2")
	})
	t.Run("cache", func(t *testing.T) {
		f.write(t, "docker-compose.override.yml", "services:\n  registry:\n    environment:\n      REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: inmemory\n")
		f.must(t, "up")
		f.regctl(t, "gc", "--yes").want(t, 1, "cache", "hint: ")
		if err := os.Remove(f.path("docker-compose.override.yml")); err != nil {
			t.Fatal(err)
		}
		f.must(t, "up")
		f.must(t, "gc", "--yes")
	})
	t.Run("no hold", func(t *testing.T) {
		f.replace(t, "nginx/js/front.js", "await released()", "true")
		f.regctl(t, "gc", "--yes").want(t, 1, "front.js", "hint: ")
		f.must(t, "up", "--force")
		f.must(t, "gc", "--yes")
	})
	t.Run("two at once", func(t *testing.T) {
		one, two := f.start(t, "", "gc", "--yes"), f.start(t, "", "gc", "--yes")
		statuses := []int{one.wait(t).status, two.wait(t).status}
		if !(statuses[0] == 0 && (statuses[1] == 0 || statuses[1] == 6) || statuses[1] == 0 && statuses[0] == 6) {
			t.Errorf("statuses %v", statuses)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		f.must(t, "down")
		f.must(t, "gc", "--yes")
		f.must(t, "up")
		f.whole(t, "a:1")
	})
}

// TestGCKilled kills regctl, or its container, at any moment of a collection.
func TestGCKilled(t *testing.T) {
	t.Parallel()
	f := newFront(t, options{})
	f.pushIndex(t, "keep/multi:v1", 2)
	f.pushRandom(t, "keep/app:v1", 2)
	var whole time.Duration
	for i := range 8 {
		f.pushRandom(t, "keep/app:moving", 1)
		f.pushRandom(t, "keep/app:moving", 1)
		args := []string{"gc", "--yes", "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s"}
		if i == 0 {
			whole = f.must(t, args...).took
			continue
		}
		p := f.start(t, "", args...)
		time.Sleep(time.Duration(mathrand.Int64N(int64(whole))))
		if i%2 == 0 {
			p.signal(t, syscall.SIGKILL)
		} else if id := f.left(t); id != "" {
			try(t, "docker", "kill", id)
		} else {
			p.signal(t, syscall.SIGINT)
		}
		p.wait(t)
		for _, image := range []string{"keep/multi:v1", "keep/app:v1", "keep/app:moving"} {
			f.whole(t, image)
		}
	}
	// A hold that was left behind ends by itself, or with the next run.
	f.gc(t)
	f.noHold(t)
	f.pushRandom(t, "keep/app:after", 1)
	for _, image := range []string{"keep/multi:v1", "keep/app:v1", "keep/app:moving", "keep/app:after"} {
		f.whole(t, image)
	}
	if left := f.left(t); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}
