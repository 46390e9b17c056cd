package backup

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/regctl/regctl/pkg/storage"
)

// blobSet maps blobs to a size. A million of them have to fit: nearly all are
// named by their sha256, so that half of a Digest would be zeros. It is cut into
// parts by the first byte of the digest: goroutines that each have a part of it to
// themselves, as those have that walk the directories of blobs, need no lock.
type blobSet [256]struct {
	short map[[32]byte]int64
	long  map[storage.Digest]int64
}

func newBlobSet() *blobSet { return new(blobSet) }

func (s *blobSet) put(d storage.Digest, size int64) {
	p := &s[d.Bytes()[0]]
	if d.Algorithm() == storage.SHA256 {
		if p.short == nil {
			p.short = map[[32]byte]int64{}
		}
		p.short[[32]byte(d.Bytes())] = size
		return
	}
	if p.long == nil {
		p.long = map[storage.Digest]int64{}
	}
	p.long[d] = size
}

func (s *blobSet) get(d storage.Digest) (size int64, ok bool) {
	p := &s[d.Bytes()[0]]
	if d.Algorithm() == storage.SHA256 {
		size, ok = p.short[[32]byte(d.Bytes())]
		return size, ok
	}
	size, ok = p.long[d]
	return size, ok
}

func (s *blobSet) remove(d storage.Digest) {
	p := &s[d.Bytes()[0]]
	if d.Algorithm() == storage.SHA256 {
		delete(p.short, [32]byte(d.Bytes()))
		return
	}
	delete(p.long, d)
}

func (s *blobSet) len() (n int) {
	for i := range s {
		n += len(s[i].short) + len(s[i].long)
	}
	return n
}

// all yields what is in it, one part after the other.
func (s *blobSet) all() iter.Seq2[storage.Digest, int64] {
	return func(yield func(storage.Digest, int64) bool) {
		for i := range s {
			for d, size := range s.part(i) {
				if !yield(d, size) {
					return
				}
			}
		}
	}
}

func (s *blobSet) part(i int) iter.Seq2[storage.Digest, int64] {
	return func(yield func(storage.Digest, int64) bool) {
		for sum, size := range s[i].short {
			if !yield(storage.SHA256.Digest(sum[:]), size) {
				return
			}
		}
		for d, size := range s[i].long {
			if !yield(d, size) {
				return
			}
		}
	}
}

// eachSorted calls f for the wanted blobs of a set, on several goroutines and
// nearly in the order of their digests, in which they lie in directories. The first
// error ends it. Neither function may change the set.
func eachSorted(ctx context.Context, s *blobSet, workers int, wanted func(storage.Digest, int64) bool, f func(storage.Digest, int64) error) error {
	type job struct {
		d    storage.Digest
		size int64
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs := make(chan job, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for j := range jobs {
				if ctx.Err() != nil {
					continue
				}
				if err := f(j.d, j.size); err != nil {
					stop(err)
				}
			}
		})
	}
	// A list of a 256th at a time: one of all would be as large as the set.
	var list []job
	for i := range s {
		list = list[:0]
		for d, size := range s.part(i) {
			if wanted(d, size) {
				list = append(list, job{d, size})
			}
		}
		slices.SortFunc(list, func(a, b job) int { return a.d.Compare(b.d) })
		for _, j := range list {
			if ctx.Err() != nil {
				break
			}
			jobs <- j
		}
	}
	close(jobs)
	wg.Wait()
	return context.Cause(ctx)
}
