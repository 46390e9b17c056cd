package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// Export writes a snapshot with all it needs into one file, mode 0600, which must
// not exist yet. Blobs are compared with their digests on the way, unless they are
// encrypted and there is no identity: they are copied as they are.
func (s *Store) Export(ctx context.Context, snap *Snapshot, file string, tell func(Progress)) (bytes int64, err error) {
	if tell == nil {
		tell = func(Progress) {}
	}
	release, ctx, err := s.Reading(ctx, "export")
	if err != nil {
		return 0, err
	}
	defer release()
	return durable.Stream(file, 0o600, func(w io.Writer) error {
		// Layers are packed already: the fastest level costs little and finds the rest.
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
		if err != nil {
			return err
		}
		t := tar.NewWriter(z)
		if err := s.exportTo(ctx, snap, t, tell); err != nil {
			z.Close() // or its encoders stay
			return err
		}
		return errors.Join(t.Close(), z.Close())
	})
}

func (s *Store) exportTo(ctx context.Context, snap *Snapshot, t *tar.Writer, tell func(Progress)) error {
	m, err := s.readSums(ctx, snap.ID)
	if err != nil {
		return err
	}
	names := []string{headName}
	for n := range m {
		names = append(names, s.snapshotName(snap.ID, n))
	}
	slices.Sort(names[1:])
	names = append(names, s.snapshotName(snap.ID, sumsName))
	for _, name := range names {
		data, err := readAll(ctx, s, name, partsMost)
		if err != nil {
			return err
		}
		if want := m[lastPart(name)]; want != "" && hexSum(data) != want {
			return fmt.Errorf("%w: %s does not match its sum", ErrSnapshot, name)
		}
		if err := addToTar(t, name, int64(len(data)), snap.Time, bytes.NewReader(data)); err != nil {
			return err
		}
	}
	var total, done, count int64
	blobs := newBlobSet()
	err = s.listing(ctx, snap.ID, blobsName, listingReader{blob: func(d storage.Digest, size int64) error {
		blobs.put(d, size)
		total += size
		return nil
	}})
	if err != nil {
		return err
	}
	present, err := s.present(ctx)
	if err != nil {
		return err
	}
	for d, size := range blobs.all() {
		object, ok := present.get(d)
		if !ok || !s.sizeFits(object, size) {
			return fmt.Errorf("%w: the blob %s is missing or cut off", ErrIncomplete, d)
		}
		f, err := s.Open(ctx, s.blobName(d))
		if err != nil {
			return err
		}
		r := io.Reader(&ctxReader{ctx, f})
		if !s.head.Encrypted {
			r = newVerified(r, d, size, func(int) {})
		}
		err = errors.Join(addToTar(t, s.blobName(d), object, snap.Time, r), f.Close())
		if err != nil {
			return fmt.Errorf("%s: %w", s.blobName(d), err)
		}
		count++
		done += size
		tell(Progress{PhaseCopy, count, int64(blobs.len()), done, total})
	}
	return nil
}

func addToTar(t *tar.Writer, name string, size int64, when time.Time, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: size, ModTime: when, Format: tar.FormatPAX}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.CopyBuffer(onlyWriter{t}, onlyReader{r}, make([]byte, copyBuffer))
	return err
}
