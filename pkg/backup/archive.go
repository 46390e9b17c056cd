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
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// An archive is one file, a tar packed with zstd: a store with one snapshot, its
// own objects first and the blobs after them. Unpacked it is a store.

// partsMost bounds what is held in memory of an archive: all but blobs.
const partsMost = 1 << 30

// Export writes a snapshot with all it needs into one file, mode 0600, which must
// not exist yet. Blobs are compared with their digests on the way, unless they are
// encrypted and there is no identity: they are copied as they are.
func (s *Store) Export(ctx context.Context, snap *Snapshot, file string, tell func(Progress)) (bytes int64, err error) {
	if tell == nil {
		tell = func(Progress) {}
	}
	release, ctx, err := s.readLock(ctx, "export")
	if err != nil {
		return 0, err
	}
	defer release()
	if _, err := os.Lstat(file); err == nil {
		return 0, &fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}
	}
	tmp := filepath.Join(filepath.Dir(file), durable.TempPrefix+filepath.Base(file))
	// One of a run that was killed goes first: what lies there may be somebody else's
	// file or a link, and is never written to.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	// Layers are packed already: the fastest level costs little and finds the rest.
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return 0, err
	}
	t := tar.NewWriter(z)
	if err := s.exportTo(ctx, snap, t, tell); err != nil {
		return 0, err
	}
	if err := errors.Join(t.Close(), z.Close(), f.Sync()); err != nil {
		return 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	return fi.Size(), durable.Rename(tmp, file)
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
