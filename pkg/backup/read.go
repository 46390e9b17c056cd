package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/regctl/regctl/pkg/storage"
)

// eachBlob is of source.
func (s *Store) eachBlob(ctx context.Context, need *blobSet, workers int, place func(storage.Digest, int64, io.Reader) error,
	lost func(storage.Digest, string, error)) error {
	type job struct {
		d    storage.Digest
		size int64
	}
	jobs := make([]job, 0, need.len())
	for d, size := range need.all() {
		jobs = append(jobs, job{d, size})
	}
	return storage.Each(workers, len(jobs), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		j := jobs[i]
		r, c, err := s.openSealed(ctx, s.blobName(j.d))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lost(j.d, ObjectMissing, errors.New("is not in the backup"))
			return nil
		case errors.Is(err, ErrKey):
			return err
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			lost(j.d, ObjectCorrupt, err)
			return nil
		}
		defer c.Close()
		return place(j.d, j.size, &ctxReader{ctx, r})
	})
}
