package cli

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// oldImages and newImages are two states of a registry that share a layer.
func oldImages(dir string) {
	tree := storagetest.New(dir)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer one"))
	tree.Tag("gone", "v1", tree.Image("gone", "config g", "layer g"))
}

func newImages(dir string) {
	tree := storagetest.New(dir)
	tree.Tag("app", "v2", tree.Image("app", "config 2", "layer one", "layer two"))
}

// content lists the files below a registry's directory with what is in them, and
// links with their time.
func content(t *testing.T, root string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(filepath.Join(root, "docker"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %q", rel, data)
		if e.Name() == "link" {
			fi, err := e.Info()
			if err != nil {
				return err
			}
			line += fi.ModTime().UTC().String()
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// remove removes a directory, with the test's failure for an error.
func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies a directory with all times.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	remove(t, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// brings makes sure that the newest snapshot of a store comes back as want.
func brings(t *testing.T, n int, store, want string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "back")
	mustRun(t, "restore", "--from", store, "--root", root)
	if got := content(t, root); got != want {
		t.Errorf("killed before change %d, then again: brought back\n%s\nwant\n%s", n, got, want)
	}
}

// A backup that is killed harms no earlier snapshot, leaves no lock that needs a
// hand, and the next one makes a whole snapshot.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	first, store, src := filepath.Join(dir, "first"), filepath.Join(dir, "store"), filepath.Join(dir, "src")
	oldImages(filepath.Join(dir, "old"))
	newImages(src)
	mustRun(t, "backup", "--root", filepath.Join(dir, "old"), "--to", first)
	want := content(t, src)
	n := 1
	for ; ; n += stride() {
		copyTree(t, first, store)
		killed := runKilled(t, n, "backup", "--root", src, "--to", store)
		mustRun(t, "backup", "verify", "--data", "--from", store)
		if killed && n%2 == 0 {
			// Whoever removes has the store to itself at once.
			mustRun(t, "backup", "prune", "--from", store)
		}
		mustRun(t, "backup", "--root", src, "--to", store)
		brings(t, n, store, want)
		mustRun(t, "backup", "prune", "--from", store)
		if out := mustRun(t, "backup", "verify", "--data", "--from", store); !strings.Contains(out, "2 snapshots") && !strings.Contains(out, "3 snapshots") {
			t.Errorf("killed before change %d: %s", n, out)
		}
		if !killed {
			break
		}
	}
	if n < 15 {
		t.Errorf("a backup makes %d changes only: they are not seen", n)
	}
}

// The first backup of all, killed: the next one begins again in the same place.
func TestFirstBackupKilled(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	store, src := filepath.Join(dir, "store"), filepath.Join(dir, "src")
	newImages(src)
	for n := 1; ; n += 3 * stride() {
		remove(t, store)
		killed := runKilled(t, n, "backup", "--root", src, "--to", store)
		mustRun(t, "backup", "--root", src, "--to", store)
		brings(t, n, store, content(t, src))
		if !killed {
			break
		}
	}
}

// Forgetting and pruning, killed: the other snapshots stay whole, and the next
// run removes the rest.
func TestForgetKilled(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	two, store := filepath.Join(dir, "two"), filepath.Join(dir, "store")
	src := filepath.Join(dir, "src")
	oldImages(filepath.Join(dir, "old"))
	newImages(src)
	mustRun(t, "backup", "--root", filepath.Join(dir, "old"), "--to", two)
	mustRun(t, "backup", "--root", src, "--to", two)
	n := 1
	for ; ; n += stride() {
		copyTree(t, two, store)
		killed := runKilled(t, n, "backup", "forget", "--keep-last", "1", "--prune", "--from", store)
		mustRun(t, "backup", "verify", "--data", "--from", store)
		brings(t, n, store, content(t, src))
		mustRun(t, "backup", "forget", "--keep-last", "1", "--prune", "--from", store)
		out := mustRun(t, "backup", "verify", "--data", "--json", "--from", store)
		if !strings.Contains(out, `"snapshots": 1`) || !strings.Contains(out, `"unused": 0`) {
			t.Errorf("killed before change %d, then again: %s", n, out)
		}
		if !killed {
			break
		}
	}
	if n < 10 {
		t.Errorf("forgetting makes %d changes only: they are not seen", n)
	}
}

// A restore over images, killed: all of the old or all of the new is in place,
// the next run brings the new, and the old is kept wherever it was killed.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	store, old, root := filepath.Join(dir, "store"), filepath.Join(dir, "old"), filepath.Join(dir, "root")
	oldImages(old)
	newImages(filepath.Join(dir, "src"))
	mustRun(t, "backup", "--root", filepath.Join(dir, "src"), "--to", store)
	before, after := content(t, old), content(t, filepath.Join(dir, "src"))
	n := 1
	for ; ; n += 1 + stride()/4 { // the exchange and what follows are three changes
		copyTree(t, old, root)
		killed := runKilled(t, n, "restore", "--from", store, "--root", root, "--yes")
		if now := content(t, root); now != before && now != after {
			t.Errorf("killed before change %d: in place is\n%s", n, now)
		}
		mustRun(t, "restore", "--from", store, "--root", root, "--yes")
		if now := content(t, root); now != after {
			t.Errorf("killed before change %d, then again: in place is\n%s", n, now)
		}
		kept := false
		places, err := filepath.Glob(filepath.Join(root, ".regctl/before-restore-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range places {
			kept = kept || there(place, "docker") && content(t, place) == before
		}
		if !kept {
			t.Errorf("killed before change %d, then again: what was there is lost; kept are %v", n, places)
		}
		if there(root, ".regctl/restore") {
			t.Errorf("killed before change %d, then again: what was prepared is left", n)
		}
		if !killed {
			break
		}
	}
	if n < 20 {
		t.Errorf("a restore makes %d changes only: they are not seen", n)
	}
}

// An export, killed: there is the whole file or none, and the next one works.
func TestExportKilled(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	store, src, file := filepath.Join(dir, "store"), filepath.Join(dir, "src"), filepath.Join(dir, "out/one.tar.zst")
	newImages(src)
	mustRun(t, "backup", "--root", src, "--to", store)
	for n := 1; ; n += 1 + stride()/2 {
		remove(t, filepath.Dir(file))
		if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		killed := runKilled(t, n, "backup", "export", file, "--from", store)
		if !there(filepath.Dir(file), filepath.Base(file)) {
			mustRun(t, "backup", "export", file, "--from", store)
		}
		brings(t, n, file, content(t, src))
		if left := names(t, filepath.Dir(file)); strings.Count(left, "\n") > 2 {
			t.Errorf("killed before change %d, then again: left is\n%s", n, left)
		}
		if !killed {
			break
		}
	}
}
