package gc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/regctl/regctl/pkg/storage"
)

// blobPart is what was found of the blobs whose digests begin with the same byte.
// They lie in one directory, so that one goroutine finds them all.
type blobPart struct {
	mu          sync.Mutex
	items       []item
	total, kept int
	bytes       Bytes
}

// blobs looks at every blob, and plans those that nothing needs.
func (r *Run) blobs(ctx context.Context) error {
	var parts [256]blobPart
	var seen, bytes atomic.Int64
	err := r.store.Blobs(ctx, r.workers, func(b storage.Blob) error {
		if !b.Info.Mode.IsDir() && !b.Info.Mode.IsRegular() {
			return nil // what is no file is not ours
		}
		part := &parts[b.Digest.Bytes()[0]]
		part.mu.Lock()
		part.add(r, b)
		part.mu.Unlock()
		if b.Info.Mode.IsDir() {
			return nil
		}
		size := bytes.Add(b.Info.Size)
		if n := seen.Add(1); n%1024 == 0 {
			r.mu.Lock()
			r.progress(Progress{Phase: PhaseBlobs, Done: n, Bytes: size})
			r.mu.Unlock()
		}
		return nil
	}, func(p storage.Problem) {
		r.result.Problems = append(r.result.Problems, Problem{p, false})
	})
	if err != nil {
		return err
	}
	if err := storage.Each(r.workers, len(parts), func(i int) error {
		slices.SortFunc(parts[i].items, compareItems)
		return nil
	}); err != nil {
		return err
	}
	planned := 0
	for i := range parts {
		planned += len(parts[i].items)
	}
	all := make([]item, 0, planned)
	for i := range parts {
		all = append(all, parts[i].items...)
		r.result.Blobs.Total += parts[i].total
		r.result.Blobs.Kept += parts[i].kept
		r.result.Bytes.Kept += parts[i].bytes.Kept
		r.result.Bytes.Freed += parts[i].bytes.Freed
		parts[i].items = nil
	}
	r.result.Blobs.Deleted = r.result.Blobs.Total - r.result.Blobs.Kept
	// Digests of the other algorithm come after all of sha256.
	if !slices.IsSortedFunc(all, compareItems) {
		slices.SortFunc(all, compareItems)
	}
	r.items[kindBlob] = all
	return nil
}

func (p *blobPart) add(r *Run, b storage.Blob) {
	husk := b.Info.Mode.IsDir()
	if !husk {
		p.total++
	}
	if r.used.has(b.Digest) || r.pinned(b.Digest) || r.young(b.Info.Younger()) {
		if !husk {
			p.kept++
			p.bytes.Kept += b.Info.Size
		}
		return
	}
	it := item{kind: kindBlob, digest: b.Digest, husk: husk}
	if !husk {
		it.size = b.Info.Size
		it.times(b.Info.ModTime, b.Info.Changed)
		p.bytes.Freed += b.Info.Size
	}
	p.items = append(p.items, it)
}
