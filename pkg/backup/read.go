package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
)

// eachBlob is of source.
func (s *Store) eachBlob(ctx context.Context, need *blobSet, workers int, place func(storage.Digest, int64, io.Reader) error,
	lost func(storage.Digest, string, error)) error {
	everything := func(storage.Digest, int64) bool { return true }
	return eachSorted(ctx, need, workers, everything, func(d storage.Digest, size int64) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, c, err := s.openSealed(ctx, s.blobName(d))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := s.still(ctx); err != nil {
				return err
			}
			lost(d, ObjectMissing, errors.New("is not in the backup"))
			return nil
		case errors.Is(err, ErrKey), away(err):
			return err
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			lost(d, ObjectCorrupt, err)
			return nil
		}
		defer c.Close()
		return place(d, size, &ctxReader{ctx, r})
	})
}

// still makes sure that the store as such is there: when a disk is pulled out,
// every blob is missing, and none of them damaged.
func (s *Store) still(ctx context.Context) error {
	f, err := s.Open(ctx, headName)
	if errors.Is(err, fs.ErrNotExist) {
		return advice.With(fmt.Errorf("%w: %s is gone from %s", ErrUnreachable, headName, s), "is the disk still mounted?")
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// away tells that an error is about the way to a target and not about an object.
func away(err error) bool {
	for _, no := range []error{ErrUnreachable, syscall.ESTALE, syscall.ENOTCONN, syscall.ENODEV, syscall.ENXIO, syscall.EHOSTDOWN, syscall.ETIMEDOUT} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
