package fsck

import (
	"fmt"
	"testing"

	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// large makes a tree of so many repositories, each with so many images of a config
// and two layers of its own and one that all share.
func large(t testing.TB, repositories, images int) string {
	tree := storagetest.New(t.TempDir())
	done := make(chan struct{})
	for w := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for r := w; r < repositories; r += 4 {
				repo := fmt.Sprintf("team%d/app%d", r%10, r)
				for i := range images {
					d := tree.Image(repo, fmt.Sprintf("config %d %d", r, i), fmt.Sprintf("a %d %d", r, i), fmt.Sprintf("b %d %d", r, i), "shared "+repo)
					tree.Tag(repo, fmt.Sprintf("v%d", i), d)
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	return tree.Dir
}

// BenchmarkFast is a fast check of 100,000 blobs.
func BenchmarkFast(b *testing.B) {
	dir := large(b, 100, 250)
	b.ResetTimer()
	for range b.N {
		if r := run(b, dir, Options{Fast: true}); r.Checked.Blobs < 100_000 || len(r.Problems) > 0 {
			b.Fatalf("%+v", r.Checked)
		}
	}
}
