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

// TestBackup backs a stack up, loses images, and brings them back: on the same
// stack, and on a fresh one from nothing but the backup.
func TestBackup(t *testing.T) {
	t.Parallel()
	for _, r := range []struct{ name, image, other string }{{"registry 3", imageRegistry3, imageRegistry2}, {"registry 2", imageRegistry2, imageRegistry3}} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			testBackup(t, newFront(t, options{registry: r.image, env: []string{pathWith(ownCrontab(t))}}, backupRules), r.other)
		})
	}
}

// backupRules give retention something to decide.
const backupRules = `retention:
  rules:
    - repositories: [old/*]
      keep_last: 1
      keep_within: 25d
`

func testBackup(t *testing.T, f *front, other string) {
	store := filepath.Join(t.TempDir(), "store")
	s := f.seedRepository(t, "team/app")
	signature := f.attach(t, "team/app", s.digest, len(s.manifest))
	f.pushIndex(t, "team/multi:v1", 2)
	for i, tag := range []string{"c", "b", "a"} {
		f.pushRandom(t, "old/app:"+tag, 1)
		at := time.Now().Add(-time.Duration(10+10*i) * 24 * time.Hour)
		link := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/repositories/old/app/_manifests/tags", tag, "current/link")
		if err := os.Chtimes(link, at, at); err != nil {
			t.Fatal(err)
		}
	}
	p := f.addUser(t, "reader", "--pull", "team/**")
	var out struct {
		Snapshot           string
		Repositories, Tags int
		Blobs              struct{ Total, New int }
		Problems           []any
	}
	f.must(t, "backup", "--to", store, "--json").json(t, &out)
	if out.Snapshot == "" || out.Repositories != 3 || out.Tags != 5 || out.Blobs.New != out.Blobs.Total || len(out.Problems) != 0 {
		t.Errorf("%+v", out)
	}
	f.must(t, "backup", "--to", store, "--json").json(t, &out)
	if out.Blobs.New != 0 {
		t.Errorf("a second one copied again: %+v", out)
	}
	f.must(t, "backup", "verify", "--data", "--from", store)
	// A prune of this host that was killed: inside a container nobody can tell that it is gone.
	writeFile(t, filepath.Join(store, "locks/exclusive-KILLED.json"), fmt.Sprintf(`{"command":"regctl backup prune","host":"here","pid":%d,"space":%q}`, 1<<22+1,
		strings.TrimSpace(readFile(t, "/proc/sys/kernel/random/boot_id"))+" "+strings.TrimSpace(tool(t, "readlink", "/proc/self/ns/pid"))), 0o600)
	f.must(t, "backup", "--to", store)
	// A disk that is not mounted: none is begun below its mount point.
	rename(t, store, store+".away")
	f.regctl(t, "backup", "--to", store).want(t, 1, "the last backup went to "+store+", and now there is none", "hint: is the disk mounted? --new begins anew")
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("there is something at %s: %v", store, err)
	}
	rename(t, store+".away", store)
	images := []string{"team/app:v1", "team/app@" + signature, "team/multi:v1", "old/app:a", "old/app:b", "old/app:c"}
	verdicts := func() string {
		var r retained
		f.must(t, "gc", "--dry-run", "--json").json(t, &r)
		if r.Retention == nil {
			t.Fatal("retention decided nothing")
		}
		return fmt.Sprintf("%+v", r.Retention.Tags)
	}
	decided := verdicts()
	if !strings.Contains(decided, "Tag:a ") || !strings.Contains(decided, "Delete:true") || !strings.Contains(decided, "Delete:false") {
		t.Errorf("retention has nothing to decide: %s", decided)
	}

	t.Run("on the same stack", func(t *testing.T) {
		links := func() string {
			root := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/repositories")
			return tool(t, "sh", "-c", `cd "$1" && find . -path '*/_uploads' -prune -o -name link -printf '%p %m %U %G %T@\n' | sort`, "sh", root)
		}
		before := links()
		f.http.CloseIdleConnections() // Nginx may be about to, after all this time
		f.expect(t, http.StatusAccepted, f.boss(), http.MethodDelete, "/v2/team/app/manifests/"+s.digest, "")
		f.pushRandom(t, "team/later:v1", 1)
		f.regctl(t, "restore", "latest", "--from", store).want(t, 1, "--yes")
		f.must(t, "restore", "latest", "--from", store, "--yes")
		if now := links(); now != before {
			t.Errorf("links, with their times:\n%s\nbefore:\n%s", now, before)
		}
		for _, image := range images {
			f.whole(t, image)
		}
		f.expect(t, http.StatusNotFound, f.boss(), http.MethodGet, "/v2/team/later/manifests/v1", "", header{"Accept", ociManifest})
		if now := verdicts(); now != decided {
			t.Errorf("retention decides:\n%s\nbefore:\n%s", now, decided)
		}
	})
	t.Run("drill", func(t *testing.T) { testDrill(t, f, store, other, s) })
	t.Run("a corrupt blob", func(t *testing.T) {
		hex := strings.TrimPrefix(s.layer, "sha256:")
		data := filepath.Join(f.volume(t, "registry-data"), "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
		good := readFile(t, data)
		writeFile(t, data, strings.ToUpper(good), 0o644)
		// What is copied is compared; a copy that is there stays as it was.
		f.regctl(t, "backup", "--to", filepath.Join(t.TempDir(), "other")).want(t, 3)
		f.must(t, "backup", "--to", store)
		f.must(t, "backup", "verify", "--data", "--from", store)
		writeFile(t, data, good, 0o644)
	})
	t.Run("from nothing but the backup", func(t *testing.T) {
		f.must(t, "backup", "--to", store)
		f.must(t, "down")
		if err := removeProject(t.Context(), f.project); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(f.dir); err != nil {
			t.Fatal(err)
		}
		startProcess(t, nil, "", regctlBin, "restore", "--from", store, "--dir", f.dir).wait(t).want(t, 0)
		// The data of one registry serves under the other, too.
		f.replace(t, "regctl.yaml", f.opts.registry, other)
		f.must(t, "up")
		f.http = f.client(t)
		for _, image := range images {
			f.whole(t, image)
		}
		// Users and rights came along.
		f.expect(t, http.StatusOK, p, http.MethodGet, "/v2/team/app/manifests/v1", "", header{"Accept", ociManifest})
		f.expect(t, http.StatusForbidden, p, http.MethodPost, "/v2/team/app/blobs/uploads/", "")
	})
}
