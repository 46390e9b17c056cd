package gc

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// What no registry makes stays with what it lies in, also if it came there after
// everything was looked at.
func TestUnknownContentThatComesLate(t *testing.T) {
	tree := storagetest.New(filepath.Join(memory(t), "d"))
	now := time.Now().Add(gctest.Ahead)
	d := tree.Image("r", "config", "layer")
	tree.Tag("r", "other", tree.Image("r", "other"))
	tree.Image("r", "gone")
	tree.Layer("r", "unused")
	places := []string{storage.BlobPath(tree.Blob("loose")), storage.RevisionPath("r", d), storage.LayerPath("r", storage.SHA256.Of([]byte("unused")))}
	o := Options{DeleteUntagged: true, Now: func() time.Time { return now }, KeepTrash: 24 * time.Hour}
	o.Hold = func(context.Context) (func() error, error) {
		for _, dir := range places {
			if err := os.WriteFile(tree.Path(dir+"/notes"), []byte("a person's"), 0o644); err != nil {
				return nil, err
			}
		}
		return func() error { return nil }, nil
	}
	got, err := Collect(t.Context(), tree.Dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Run == "" {
		t.Error("nothing was taken")
	}
	told := map[string]bool{}
	for _, p := range got.Problems {
		if p.ID == storage.UnknownEntry {
			told[p.Path] = true
		}
	}
	for _, dir := range places {
		if text, err := os.ReadFile(tree.Path(dir + "/notes")); string(text) != "a person's" {
			t.Errorf("%s: %q (%v)", dir, text, err)
		}
		// A link's directory that changed is taken for one that is written again.
		if !told[dir+"/notes"] && dir != places[2] {
			t.Errorf("%s/notes is not told of: %+v", dir, got.Problems)
		}
	}
}

// Items lie in several directories of the trash; each comes back from its own.
func TestTrashOfManyDirectories(t *testing.T) {
	tree := storagetest.New(filepath.Join(memory(t), "d"))
	now := time.Now().Add(gctest.Ahead)
	o := Options{DeleteUntagged: true, Now: func() time.Time { return now }, KeepTrash: 24 * time.Hour}
	tree.Grow(storagetest.Large{Repositories: 3, Images: 40, Layers: 2, Untagged: 1, Of: 2}, 2)
	before := snapshot(t, tree.Dir)
	got, err := Collect(t.Context(), tree.Dir, o)
	if err != nil || got.Blobs.Deleted != 240 {
		t.Fatalf("%+v (%v)", got, err)
	}
	shards, err := filepath.Glob(tree.Path(trashDir + "/" + got.Run + "/[0-9]*"))
	if err != nil || len(shards) != 5 { // 240 blobs, 60 manifests, 180 links
		t.Errorf("%q (%v)", shards, err)
	}
	for _, dir := range shards {
		if items, err := os.ReadDir(dir); err != nil || len(items) > shardSize {
			t.Errorf("%s holds %d (%v)", dir, len(items), err)
		}
	}
	if _, err := Undo(t.Context(), tree.Dir, o); err != nil {
		t.Fatal(err)
	}
	compare(t, "undone", snapshot(t, tree.Dir), before)
	if got, err = Collect(t.Context(), tree.Dir, o); err != nil || got.Blobs.Deleted != 240 {
		t.Fatalf("%+v (%v)", got, err)
	}
	if _, err := Purge(t.Context(), tree.Dir, Options{Now: o.Now}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tree.Path(trashDir)); err != nil || len(left) != 0 {
		t.Errorf("left in the trash: %v (%v)", left, err)
	}
}
