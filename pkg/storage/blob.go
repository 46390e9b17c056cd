package storage

import (
	"context"
	"io/fs"
	"os"
)

// Blob is a blob that is there.
type Blob struct {
	Digest Digest
	Info   Info
}

// Blobs calls visit for each blob, on several goroutines at once, in no order.
// A directory of a blob without data is visited with a Mode of fs.ModeDir: what
// a crash left. Unknown entries go to unknown, which may be nil, one at a time.
func (s *Store) Blobs(ctx context.Context, workers int, visit func(Blob) error, unknown func(Problem)) error {
	top, err := s.v2.open("blobs")
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer top.close()
	type part struct {
		alg  Algorithm
		name string
	}
	var (
		parts   []part
		strange []Problem
	)
	err = top.each(func(name string, typ fs.FileMode) error {
		alg := algorithm(name)
		if alg == 0 || !typ.IsDir() {
			strange = append(strange, unknownEntry("", join(top.path, name), typ))
			return nil
		}
		sub, err := top.open(name)
		if err != nil {
			return err
		}
		defer sub.close()
		return sub.each(func(prefix string, typ fs.FileMode) error {
			if len(prefix) != 2 || nibble(prefix[0]) > 15 || nibble(prefix[1]) > 15 || !typ.IsDir() {
				strange = append(strange, unknownEntry("", join(sub.path, prefix), typ))
				return nil
			}
			parts = append(parts, part{alg, prefix})
			return nil
		})
	})
	if err != nil {
		return err
	}
	found := make([][]Problem, len(parts))
	err = Each(workers, len(parts), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := parts[i]
		d, err := top.open(p.alg.String() + "/" + p.name)
		if absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer d.close()
		return d.each(func(name string, typ fs.FileMode) error {
			digest, ok := fromHex(p.alg, name)
			if !ok || !typ.IsDir() || name[:2] != p.name {
				found[i] = append(found[i], unknownEntry("", join(d.path, name), typ))
				return nil
			}
			info, err := d.stat(name + "/data")
			if absent(err) {
				if info, err = d.stat(name); absent(err) {
					return nil
				}
			}
			if err != nil {
				return err
			}
			return visit(Blob{digest, info})
		})
	})
	if unknown != nil {
		for _, list := range append(found, strange) {
			for _, p := range list {
				unknown(p)
			}
		}
	}
	return err
}

// Stat looks at one blob.
func (s *Store) Stat(d Digest) (Info, error) { return s.Lstat(BlobPath(d) + "/data") }

// OpenBlob opens a blob for reading. Nobody has compared it with its digest.
func (s *Store) OpenBlob(d Digest) (*os.File, Info, error) {
	return s.v2.openFile(blobBelow(d))
}

// ReadBlob reads a blob of at most that many bytes; a larger one is an error
// that wraps [ErrTooLarge]. Nobody has compared it with its digest.
func (s *Store) ReadBlob(d Digest, most int) ([]byte, error) {
	buf := make([]byte, most+1)
	data, _, err := s.v2.read(blobBelow(d), buf)
	return data, err
}

func blobBelow(d Digest) string { return BlobPath(d)[len(layout)+1:] + "/data" }
