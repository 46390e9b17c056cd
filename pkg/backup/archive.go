package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/regctl/regctl/pkg/storage"
)

// An archive is one file, a tar packed with zstd: a store with one snapshot, its
// own objects first and the blobs after them. Unpacked it is a store.

// partsMost bounds what is held in memory of an archive: all but blobs.
const partsMost = 1 << 30

// ErrArchive is about a file that Export did not write, or that is damaged.
var ErrArchive = errors.New("not an archive of a backup")

// Archive is an opened archive. It is read from its begin each time.
type Archive struct {
	*Store // its own objects, in memory
	path   string
	Latest *Snapshot
}

// OpenArchive opens an archive and reads its snapshot. Nothing in it is believed:
// only names that a store has are taken, of plain files, and a part that is
// larger than it can be is an error.
func OpenArchive(ctx context.Context, path string, keys Keys) (*Archive, error) {
	return openArchive(ctx, path, keys, partsMost)
}

func openArchive(ctx context.Context, path string, keys Keys, left int64) (*Archive, error) {
	parts := &memory{path: path, objects: map[string][]byte{}}
	err := eachInArchive(ctx, path, func(name string, size int64, r io.Reader) error {
		if strings.HasPrefix(name, dataDir) {
			return errPartsEnd
		}
		if _, twice := parts.objects[name]; twice || size > left {
			return fmt.Errorf("%w: %s comes twice, or is too large", ErrArchive, name)
		}
		left -= size
		// Not size at once: a header may say what it likes.
		data, err := io.ReadAll(r)
		parts.objects[name] = data
		return err
	})
	if errors.Is(err, ErrArchive) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err != nil && !errors.Is(err, errPartsEnd) {
		return nil, err
	}
	s, err := Open(ctx, parts, keys)
	if errors.Is(err, ErrNoStore) {
		return nil, fmt.Errorf("%w: %s", ErrArchive, path)
	}
	if err != nil {
		return nil, err
	}
	snap, err := s.Snapshot(ctx, "latest")
	if err != nil {
		return nil, err
	}
	return &Archive{s, path, snap}, nil
}

var errPartsEnd = errors.New("no more parts")

// eachInArchive reads the entries of an archive in turn.
func eachInArchive(ctx context.Context, path string, f func(name string, size int64, r io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	z, err := zstd.NewReader(&ctxReader{ctx, file}, zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return err
	}
	defer z.Close()
	return eachInTar(z, f)
}

func eachInTar(r io.Reader, f func(name string, size int64, r io.Reader) error) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
		if h.Typeflag != tar.TypeReg || !archiveName(h.Name) {
			return fmt.Errorf("%w: %.100q has no place in it", ErrArchive, h.Name)
		}
		if err := f(h.Name, h.Size, t); err != nil {
			return err
		}
	}
}

// archiveName tells the names of a store.
func archiveName(name string) bool {
	if name == headName {
		return true
	}
	if rest, ok := strings.CutPrefix(name, snapshotsDir); ok {
		id, part, _ := strings.Cut(rest, "/")
		return snapshotID.MatchString(id) && (part == sumsName || sumLine.MatchString(strings.Repeat("0", 64)+"  "+part))
	}
	for _, suffix := range []string{"", sealedSuffix} {
		s := Store{head: head{Encrypted: suffix != ""}}
		if _, ok := s.blobDigest(name); ok {
			return true
		}
	}
	return false
}

// Stage is [Store.Stage] of the archive's snapshot.
func (a *Archive) Stage(ctx context.Context, root string, opts RestoreOptions) (*Restored, error) {
	return stage(ctx, a, a.Latest, root, opts)
}

// eachBlob is of source. The blobs come in the archive's order.
func (a *Archive) eachBlob(ctx context.Context, need *blobSet, _ int, place func(storage.Digest, int64, io.Reader) error,
	lost func(storage.Digest, string, error)) error {
	left := newBlobSet()
	for d, size := range need.all() {
		left.put(d, size)
	}
	err := eachInArchive(ctx, a.path, func(name string, _ int64, r io.Reader) error {
		d, ok := a.blobDigest(name)
		if !ok {
			return nil
		}
		size, wanted := left.get(d)
		if !wanted {
			return nil
		}
		left.remove(d)
		if a.head.Encrypted {
			plain, err := a.keys.open(r)
			if errors.Is(err, ErrKey) {
				return err
			}
			if err != nil {
				lost(d, ObjectCorrupt, err)
				return nil
			}
			r = plain
		}
		return place(d, size, r)
	})
	if err != nil {
		return err
	}
	for d := range left.all() {
		lost(d, ObjectMissing, errors.New("is not in the archive"))
	}
	return nil
}

// memory is a target that is only read.
type memory struct {
	path    string
	objects map[string][]byte
}

func (m *memory) String() string              { return m.path }
func (m *memory) Close() error                { return nil }
func (m *memory) Flush(context.Context) error { return nil }

func (m *memory) Put(context.Context, string, int64, io.Reader) error { return errDenied }
func (m *memory) Remove(context.Context, string) error                { return errDenied }
func (m *memory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	data, ok := m.objects[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: m.path + ": " + name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (m *memory) List(_ context.Context, prefix string, f func(Object) error) error {
	for name, data := range m.objects {
		if strings.HasPrefix(name, prefix) {
			if err := f(Object{Name: name, Size: int64(len(data))}); err != nil {
				return err
			}
		}
	}
	return nil
}
