package gc

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// While tags are deleted and pushed as a registry does it, in several steps, what
// only seems damaged is not told of; what is damaged is.
func TestDamageThatPasses(t *testing.T) {
	dir := memory(t)
	tree := storagetest.New(dir).At(time.Now())
	image := tree.Image("busy", "{}", "a layer")
	tree.Tag("busy", "stays", image)
	link := filepath.Join(dir, storage.TagLinkPath("busy", "moving"))
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			tree.Tag("busy", "moving", image)
			time.Sleep(3 * time.Millisecond)
			// The directory stands without its link for a while.
			os.Remove(link)
			time.Sleep(9 * time.Millisecond)
			os.RemoveAll(filepath.Join(dir, storage.TagPath("busy", "moving")))
		}
	})
	defer func() { close(stop); writer.Wait() }()
	for range 3 {
		res, err := Collect(t.Context(), dir, Options{Grace: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if res.Damaged() {
			t.Errorf("passing damage was told of: %+v", res.Problems)
		}
	}
	tree.File(storage.TagLinkPath("busy", "broken"), "")
	res, err := Collect(t.Context(), dir, Options{Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Problems) != 1 || !res.Problems[0].Damage {
		t.Errorf("a tag with an empty link: %+v", res.Problems)
	}
}
