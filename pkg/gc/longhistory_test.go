package gc

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// What a tag that is pushed again and again has in its history goes with the
// manifests, in the same run, and comes back with them.
func TestALongHistoryGoesWithItsManifests(t *testing.T) {
	const pushes = 20
	tree := storagetest.New(filepath.Join(memory(t), "d"))
	start := tree.When
	for i := range pushes {
		tree.When = start.Add(time.Duration(i) * time.Hour)
		tree.Tag("r", "latest", tree.Image("r", fmt.Sprint("config ", i), "a layer"))
	}
	now := time.Now().Add(gctest.Ahead)
	o := Options{DeleteUntagged: true, Now: func() time.Time { return now }, KeepTrash: 24 * time.Hour}
	entries := func() int {
		t.Helper()
		all, err := os.ReadDir(tree.Path("docker/registry/v2/repositories/r/_manifests/tags/latest/index/sha256"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := snapshot(t, tree.Dir)
	got, err := Collect(t.Context(), tree.Dir, o)
	if err != nil || got.Manifests.Deleted != pushes-1 || got.Damaged() {
		t.Fatalf("%+v (%v)", got, err)
	}
	if n := entries(); n != 1 {
		t.Errorf("%d entries are left", n)
	}
	if again, err := Collect(t.Context(), tree.Dir, o); err != nil || again.Run != "" {
		t.Errorf("something was left for the next run: %+v (%v)", again, err)
	}
	if _, err := Undo(t.Context(), tree.Dir, o); err != nil {
		t.Fatal(err)
	}
	compare(t, "undone", snapshot(t, tree.Dir), before)
}
