package storagetest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Large says how large a tree is to be.
type Large struct {
	Repositories int
	Images       int // in each
	Layers       int // of each image, beside config and manifest; all different
	// Untagged of every Of images lost their tag: it was pushed again, as the
	// builds of a branch do.
	Untagged, Of int
	// LayerBytes is the size of each layer, of bytes that do not compress; 0: a few
	// words.
	LayerBytes int
	// Group begins the repositories' names, so that a tree can grow more than once.
	Group string
}

// Blobs is how many blobs that makes.
func (l Large) Blobs() int { return l.Repositories * l.Images * (2 + l.Layers) }

// Grow fills the tree, on that many goroutines, and returns how many blobs are
// garbage.
func (t *Tree) Grow(l Large, workers int) (garbage int) {
	var next, loose atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= l.Repositories {
					return
				}
				loose.Add(int64(t.growRepository(fmt.Sprintf("%sgroup%d/app%d", l.Group, n%10, n), l)))
			}
		})
	}
	wg.Wait()
	return int(loose.Load()) * (2 + l.Layers)
}

func (t *Tree) growRepository(repo string, l Large) (untagged int) {
	for i := range l.Images {
		config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","image":"%s/%d"}`, repo, i)
		layers := make([]string, l.Layers)
		for k := range layers {
			layers[k] = l.layer(fmt.Sprintf("layer %d of image %d of %s", k, i, repo))
		}
		d := t.Image(repo, config, layers...)
		// The ones to lose their tag come first; what follows takes it from them.
		if i%l.Of < l.Untagged {
			untagged++
			t.Tag(repo, fmt.Sprintf("v%d", i/l.Of*l.Of+l.Untagged+i%l.Of%(l.Of-l.Untagged)), d)
			continue
		}
		t.Tag(repo, fmt.Sprintf("v%d", i), d)
	}
	return untagged
}

// layer is a layer's content, another for each name.
func (l Large) layer(name string) string {
	if l.LayerBytes == 0 {
		return name
	}
	data := make([]byte, l.LayerBytes)
	rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(data) // never fails
	return string(data)
}
