package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage"
)

// Want is a blob that is needed from elsewhere.
type Want struct {
	Digest storage.Digest `json:"digest"`
	// Size is in bytes, 0 if nobody says.
	Size int64 `json:"size,omitempty"`
	// Manifest tells that it is a manifest.
	Manifest bool `json:"manifest,omitempty"`
	// Repositories are those that need it.
	Repositories []string `json:"repositories"`
}

// mostBlob is the largest blob that is fetched where nobody says its size.
const mostBlob = 64 << 30

// most is how many bytes of it are read at most.
func (w Want) most() int64 {
	switch {
	case w.Manifest:
		return storage.ManifestMost
	case w.Size > 0:
		return w.Size
	}
	return mostBlob
}

// Source has blobs. What it gives is compared with the digest by who asks.
type Source interface {
	// Open opens a blob; one that it does not have is an error that wraps
	// fs.ErrNotExist.
	Open(ctx context.Context, w Want) (io.ReadCloser, error)
	// String names it for a person, without secrets.
	String() string
}

// Announced is a source that is told what it will be asked for before it is: one
// that can only be read from its begin, once for all.
type Announced interface{ Announce(wants []Want) }

// announce tells the sources that want to know.
func announce(sources []Source, wants []Want) {
	for _, s := range sources {
		if a, ok := s.(Announced); ok && len(wants) > 0 {
			a.Announce(wants)
		}
	}
}

// Directory is a directory with blobs: another storage, or an unencrypted store of
// backups (data/<alg>/<hh>/<hex>).
type Directory struct{ root *os.Root }

// OpenDirectory opens one. Links in it that lead out of it are not followed.
func OpenDirectory(path string) (*Directory, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Directory{root}
	for _, there := range []string{blobsDir, "data"} {
		if fi, err := root.Stat(filepath.FromSlash(there)); err == nil && fi.IsDir() {
			return d, nil
		}
	}
	root.Close()
	return nil, fmt.Errorf("%s is neither a storage directory (%s) nor a store of backups (data)", path, blobsDir)
}

// Close closes it.
func (d *Directory) Close() error { return d.root.Close() }

// String is its path.
func (d *Directory) String() string { return d.root.Name() }

// Open is [Source].
func (d *Directory) Open(_ context.Context, w Want) (io.ReadCloser, error) {
	hex, alg := w.Digest.Hex(), w.Digest.Algorithm().String()
	var f *os.File
	var err error
	for _, rel := range []string{storage.BlobPath(w.Digest) + "/data", "data/" + alg + "/" + hex[:2] + "/" + hex} {
		if f, err = d.root.Open(filepath.FromSlash(rel)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: errors.Join(err, errors.New("is not a regular file"))}
	}
	return f, nil
}

// trash is what collections took and did not free yet.
type trash struct {
	store *storage.Store
	blobs map[storage.Digest]string
}

func openTrash(s *storage.Store) (*trash, error) {
	blobs, err := gc.Trashed(s)
	return &trash{s, blobs}, err
}

func (t *trash) String() string { return "the trash of gc" }

func (t *trash) Open(_ context.Context, w Want) (io.ReadCloser, error) {
	rel, ok := t.blobs[w.Digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	f, _, err := t.store.OpenFile(rel)
	if err != nil {
		return nil, err
	}
	return f, nil
}
