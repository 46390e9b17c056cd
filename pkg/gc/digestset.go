package gc

import (
	"sync"

	"github.com/regctl/regctl/pkg/storage"
)

// digestSet is a set that many goroutines fill and ask. A million digests take
// some 60 MB: those of sha256, which nearly all are, are kept short.
type digestSet struct {
	shards [64]struct {
		mu    sync.Mutex
		short map[[32]byte]struct{}
		long  map[storage.Digest]struct{}
	}
}

func (s *digestSet) add(d storage.Digest) {
	b := d.Bytes()
	shard := &s.shards[b[1]&63]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if d.Algorithm() == storage.SHA256 {
		if shard.short == nil {
			shard.short = map[[32]byte]struct{}{}
		}
		shard.short[[32]byte(b)] = struct{}{}
		return
	}
	if shard.long == nil {
		shard.long = map[storage.Digest]struct{}{}
	}
	shard.long[d] = struct{}{}
}

func (s *digestSet) has(d storage.Digest) (ok bool) {
	b := d.Bytes()
	shard := &s.shards[b[1]&63]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if d.Algorithm() == storage.SHA256 {
		_, ok = shard.short[[32]byte(b)]
	} else {
		_, ok = shard.long[d]
	}
	return ok
}
