package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// command runs regctl in this process.
func command(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &App{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" }, Now: time.Now, Args: args, settle: time.Millisecond}
	return a.Run(context.Background()), stdout.String(), stderr.String()
}

// damagedTree has two tags and the config of the one that a test is to damage.
func damagedTree(t *testing.T) (tree *storagetest.Tree, config storage.Digest) {
	tree = storagetest.New(t.TempDir())
	tree.Tag("team/app", "good", tree.Image("team/app", "config one", "layer one"))
	tree.Tag("team/app", "bad", tree.Image("team/app", "config two", "layer two"))
	config = storage.SHA256.Of([]byte("config two"))
	return tree, config
}

func TestFsckText(t *testing.T) {
	t.Parallel()
	tree, config := damagedTree(t)
	status, out, errs := command(t, "fsck", "--root", tree.Dir)
	if status != 0 || !strings.Contains(out, "all is well") || !strings.Contains(out, "checked 1 repository, 2 tags, 2 manifests, 6 blobs") {
		t.Errorf("whole: status %d, %s%s", status, out, errs)
	}
	tree.File("docker/registry/v2/blobs/.DS_Store", "x")
	status, out, _ = command(t, "fsck", "--root", tree.Dir, "-q")
	if status != 0 || !strings.Contains(out, "untidy, and no harm:\n- docker/registry/v2/blobs/.DS_Store: a file that no registry makes (unknown-entry)") ||
		!strings.Contains(out, "nothing is damaged") {
		t.Errorf("untidy: status %d, %s", status, out)
	}
	tree.File(storage.BlobPath(config)+"/data", "config 222")
	if status, out, _ = command(t, "fsck", "--root", tree.Dir, "-q", "--fast"); status != 0 {
		t.Errorf("fast: status %d, %s", status, out)
	}
	for _, again := range []bool{false, true} {
		status, out, _ = command(t, "fsck", "--root", tree.Dir, "-q")
		for _, want := range []string{"1 tag cannot be pulled:\n  team/app:bad: " + config.String() + ": this blob has 10 bytes that do not match its digest [changed last ",
			", still whole ", ", first seen "} {
			if status != 3 || !strings.Contains(out, want) {
				t.Errorf("again %v: status %d, no %q in %s", again, status, want, out)
			}
		}
	}
}

func TestFsckJSON(t *testing.T) {
	t.Parallel()
	tree, config := damagedTree(t)
	tree.Remove(storage.BlobPath(config))
	status, out, errs := command(t, "fsck", "--root", tree.Dir, "--json", "--fast")
	var doc struct {
		Checked  map[string]int
		Problems []map[string]any
		Tags     []struct{ Repository, Tag, ID string } `json:"unpullable"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || status != 3 {
		t.Fatalf("status %d, %v, %s%s", status, err, out, errs)
	}
	if len(doc.Problems) != 1 || doc.Problems[0]["id"] != "blob-missing" || doc.Problems[0]["digest"] != config.String() || doc.Problems[0]["severity"] != "damage" ||
		doc.Checked["tags"] != 2 || len(doc.Tags) != 1 || doc.Tags[0].Tag != "bad" {
		t.Errorf("%s", out)
	}
}

func TestFsckUsage(t *testing.T) {
	t.Parallel()
	tree, _ := damagedTree(t)
	for _, args := range [][]string{{"--slice", "8/7"}, {"--slice", "x"}, {"--limit", "fast"}, {"--fast", "--slice", "1/7"}, {"--fast", "--limit", "1M"}, {"x"}} {
		if status, out, errs := command(t, append([]string{"fsck", "--root", tree.Dir}, args...)...); status != 2 || out != "" || errs == "" {
			t.Errorf("%q: status %d, %q, %q", args, status, out, errs)
		}
	}
	if status, _, errs := command(t, "fsck", "--root", t.TempDir()); status != 1 || !strings.Contains(errs, "hint: ") {
		t.Errorf("no storage: status %d, %q", status, errs)
	}
}

// --dry-run leaves not even a note of what was found.
func TestFsckDryRun(t *testing.T) {
	t.Parallel()
	tree, _ := damagedTree(t)
	if status, out, errs := command(t, "fsck", "--root", tree.Dir, "--dry-run"); status != 0 {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	if _, err := os.Lstat(tree.Path(storage.StateDir)); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestFsckRepair(t *testing.T) {
	t.Parallel()
	tree, config := damagedTree(t)
	good := t.TempDir()
	if err := os.CopyFS(good, os.DirFS(tree.Dir)); err != nil {
		t.Fatal(err)
	}
	tree.File(storage.BlobPath(config)+"/data", "config 222")
	tree.Remove(storage.TagPath("team/app", "good") + "/current")
	status, out, _ := command(t, "fsck", "--root", tree.Dir, "-q", "--repair", "--from", good, "--dry-run")
	if _, said, _ := command(t, "fsck", "--root", tree.Dir, "-q", "--dry-run"); !strings.Contains(said, "next: regctl fsck --repair --root "+tree.Dir+" --from BACKUP|URL --dry-run\n") {
		t.Errorf("no next command in %s", said)
	}
	for _, want := range []string{"would fetch " + config.String() + " for team/app from " + good + "\n", "would not set team/app:good to sha256:", ": only with --yes\n", "2 tags cannot be pulled"} {
		if status != 3 || !strings.Contains(out, want) {
			t.Errorf("plan: status %d, no %q in %s", status, want, out)
		}
	}
	status, out, _ = command(t, "fsck", "--root", tree.Dir, "-q", "--repair", "--from", good, "--yes")
	for _, want := range []string{"did fetch " + config.String() + " for team/app from " + good + " (the old one is in .regctl/damaged/", "did set team/app:good to sha256:", "nothing is damaged|all is well"} {
		a, b, _ := strings.Cut(want, "|")
		if status != 0 || !strings.Contains(out, a) && (b == "" || !strings.Contains(out, b)) {
			t.Errorf("status %d, no %q in %s", status, want, out)
		}
	}
	if status, out, _ = command(t, "fsck", "--root", tree.Dir, "-q"); status != 0 || !strings.Contains(out, "10 B that earlier repairs moved aside") {
		t.Errorf("afterwards: status %d, %s", status, out)
	}
	for _, args := range [][]string{{"--from", good}, {"--repair", "--from", "https://user:secret@example.com"}} {
		if status, _, errs := command(t, append([]string{"fsck", "--root", tree.Dir}, args...)...); status != 2 || strings.Contains(errs, "secret") {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}
