package backup

import (
	"encoding/hex"
	"iter"

	"github.com/regctl/regctl/pkg/storage"
)

// blobSet maps blobs to a size. A million of them have to fit: nearly all are
// named by their sha256, so that half of a Digest would be zeros.
type blobSet struct {
	short map[[32]byte]int64
	long  map[storage.Digest]int64
}

func newBlobSet() *blobSet {
	return &blobSet{map[[32]byte]int64{}, map[storage.Digest]int64{}}
}

func (s *blobSet) put(d storage.Digest, size int64) {
	if d.Algorithm() == storage.SHA256 {
		s.short[[32]byte(d.Bytes())] = size
		return
	}
	s.long[d] = size
}

func (s *blobSet) get(d storage.Digest) (size int64, ok bool) {
	if d.Algorithm() == storage.SHA256 {
		size, ok = s.short[[32]byte(d.Bytes())]
		return size, ok
	}
	size, ok = s.long[d]
	return size, ok
}

func (s *blobSet) remove(d storage.Digest) {
	if d.Algorithm() == storage.SHA256 {
		delete(s.short, [32]byte(d.Bytes()))
		return
	}
	delete(s.long, d)
}

func (s *blobSet) len() int { return len(s.short) + len(s.long) }

// all yields what is in it, in no order.
func (s *blobSet) all() iter.Seq2[storage.Digest, int64] {
	return func(yield func(storage.Digest, int64) bool) {
		for sum, size := range s.short {
			d, err := storage.ParseDigest("sha256:" + hex.EncodeToString(sum[:]))
			if err != nil || !yield(d, size) { // err never is
				return
			}
		}
		for d, size := range s.long {
			if !yield(d, size) {
				return
			}
		}
	}
}
