package gc

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// A directory without a link went to the trash, and there is one in its place
// again. A tag that names it must not make a collection look for ever.
func TestDirectoriesWithoutLinks(t *testing.T) {
	tree := storagetest.New(filepath.Join(memory(t), "d"))
	now := time.Now().Add(gctest.Ahead)
	o := Options{Now: func() time.Time { return now }, KeepTrash: 24 * time.Hour}
	d := tree.Image("r", "config")
	tree.Tag("r", "other", tree.Image("r", "other"))
	tree.Remove(storage.RevisionPath("r", d) + "/link")
	if got, err := Collect(t.Context(), tree.Dir, o); err != nil || got.Run == "" {
		t.Fatalf("%+v (%v)", got, err)
	}
	if err := os.MkdirAll(tree.Path(storage.RevisionPath("r", d)), 0o755); err != nil {
		t.Fatal(err)
	}
	tree.Tag("r", "dangling", d)
	for range 2 {
		got, err := Collect(t.Context(), tree.Dir, o)
		if err != nil || !got.Damaged() {
			t.Fatalf("%+v (%v)", got, err)
		}
	}
}

// A manifest whose write ended only after the last look, so that what it needs
// lies in the trash, is whole after the next run, also if that purges all.
func TestLateManifestIsHealed(t *testing.T) {
	for _, purge := range []bool{false, true} {
		tree := storagetest.New(filepath.Join(memory(t), "d"))
		now := time.Now().Add(gctest.Ahead)
		o := Options{DeleteUntagged: true, Now: func() time.Time { return now }, KeepTrash: 24 * time.Hour}
		d := tree.Image("r", "config", "layer")
		tree.Tag("r", "other", tree.Image("r", "other"))
		if got, err := Collect(t.Context(), tree.Dir, o); err != nil || got.Manifests.Deleted != 1 || got.Blobs.Deleted != 3 {
			t.Fatalf("%+v (%v)", got, err)
		}
		tree.Tag("r", "late", d) // its last write
		o.KeepTrash = 0
		var err error
		if purge {
			_, err = Purge(t.Context(), tree.Dir, o)
		} else {
			_, err = Collect(t.Context(), tree.Dir, o)
		}
		if err != nil {
			t.Fatal(err)
		}
		g := &imitation{dir: tree.Dir}
		g.whole(t)
		if left, _ := os.ReadDir(tree.Path(trashDir)); len(left) != 0 {
			t.Errorf("the trash was not purged: %v", left)
		}
	}
}
