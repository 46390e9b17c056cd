package smoke_test

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// blobStore is the library's in-memory store, except that a test can look into
// it.
type blobStore struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *blobStore) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.m[h.String()]
	if !ok {
		return 0, registry.ErrNotFound
	}
	return int64(len(b)), nil
}

func (s *blobStore) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.m[h.String()]
	if !ok {
		return nil, registry.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *blobStore) Put(_ context.Context, _ string, h v1.Hash, rc io.ReadCloser) error {
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[h.String()] = b
	return nil
}

func (s *blobStore) Delete(_ context.Context, _ string, h v1.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m[h.String()]; !ok {
		return registry.ErrNotFound
	}
	delete(s.m, h.String())
	return nil
}

func (s *blobStore) list() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for digest := range s.m {
		all = append(all, digest)
	}
	return all
}

func (s *blobStore) has(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.m[digest]
	return ok
}
