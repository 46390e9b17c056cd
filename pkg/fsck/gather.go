package fsck

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// Gather brings blobs from sources into a directory that can then be a [Directory]
// for [Mend], where that cannot ask the sources itself. Everything in it is
// compared with its digest. It returns which blobs came, and from where; tell, which
// may be nil, is called after each.
func Gather(ctx context.Context, dir string, sources []Source, wants []Want, tell func(Progress)) (came map[storage.Digest]string, err error) {
	came = map[storage.Digest]string{}
	if err := durable.MkdirAll(filepath.Join(dir, filepath.FromSlash(blobsDir)), 0o755); err != nil {
		return nil, err
	}
	h := newHasher(nil, Options{})
	// A container without rights of root has to read them; the directory above keeps
	// others out.
	readable := func(f *os.File) error { return f.Chmod(0o644) }
	announce(sources, wants)
	for i, w := range wants {
		to := filepath.Join(dir, filepath.FromSlash(storage.BlobPath(w.Digest)))
		if err := durable.MkdirAll(to, 0o755); err != nil {
			return came, err
		}
		for _, s := range sources {
			r, err := s.Open(ctx, w)
			if err == nil {
				err = h.receive(ctx, filepath.Join(to, "data"), w, r, readable)
				r.Close()
			}
			var full *fullError
			if errors.As(err, &full) {
				return came, full.error
			}
			if ctx.Err() != nil {
				return came, ctx.Err()
			}
			if err == nil {
				came[w.Digest] = s.String()
				break
			}
		}
		if tell != nil {
			tell(Progress{Phase: PhaseMend, Done: int64(i + 1), Total: int64(len(wants))})
		}
	}
	return came, nil
}
