package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// Blob opens a single blob, whichever snapshots need it; one that the store does
// not have is fs.ErrNotExist. Nobody has compared it with its digest.
func (s *Store) Blob(ctx context.Context, d storage.Digest) (io.ReadCloser, error) {
	r, c, err := s.openSealed(ctx, s.blobName(d))
	if err != nil {
		return nil, err
	}
	return readCloser{&ctxReader{ctx, r}, c}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// CheckKeys tells whether the store's blobs can be read with the keys that it was
// opened with, before anybody relies on it.
func (s *Store) CheckKeys(ctx context.Context) error {
	if !s.head.Encrypted {
		return nil
	}
	if !s.keys.CanOpen() {
		_, err := s.keys.open(nil)
		return err
	}
	snap, err := s.Snapshot(ctx, "latest")
	if err != nil {
		return nil // then its blobs are all there is to try
	}
	p, err := s.part(ctx, snap.ID, listingName)
	switch {
	case err == nil:
		return p.f.Close()
	case errors.Is(err, ErrKey):
		return err
	}
	return nil // the listing is damaged; its blobs may be good
}

// Picker takes single blobs out of an archive. That can only be read from its
// begin, so it is read once for all that it was told will be wanted.
type Picker struct {
	archive *Archive
	has     *blobSet
	dir     string
	wanted  *blobSet
	spool   *os.File
	at      map[storage.Digest]section
}

type section struct{ start, size int64 }

// NewPicker reads which blobs the archive has. What is picked lies in a file without
// a name in dir until the picker is closed.
func (a *Archive) NewPicker(ctx context.Context, dir string) (*Picker, error) {
	p := &Picker{archive: a, has: newBlobSet(), dir: dir, wanted: newBlobSet(), at: map[storage.Digest]section{}}
	return p, a.listing(ctx, a.Latest.ID, blobsName, listingReader{blob: func(d storage.Digest, size int64) error {
		p.has.put(d, size)
		return nil
	}})
}

// Want says what will be asked for.
func (p *Picker) Want(d storage.Digest) {
	if size, ok := p.has.get(d); ok {
		p.wanted.put(d, size)
	}
}

// Blob opens a blob; one that the archive does not have is fs.ErrNotExist. The
// archive is read at the first Read, so that to ask what there is costs nothing.
func (p *Picker) Blob(ctx context.Context, d storage.Digest) (io.ReadCloser, error) {
	if _, ok := p.has.get(d); !ok {
		return nil, &fs.PathError{Op: "open", Path: p.archive.path + ": " + d.String(), Err: fs.ErrNotExist}
	}
	return io.NopCloser(&picked{ctx: ctx, p: p, d: d}), nil
}

// Close removes what was picked.
func (p *Picker) Close() error {
	if p.spool == nil {
		return nil
	}
	return p.spool.Close()
}

// picked reads one blob.
type picked struct {
	ctx context.Context
	p   *Picker
	d   storage.Digest
	r   io.Reader
}

func (k *picked) Read(b []byte) (int, error) {
	if k.r == nil {
		at, there := k.p.at[k.d]
		if !there {
			k.p.Want(k.d)
			err := k.p.pick(k.ctx)
			if at, there = k.p.at[k.d]; !there {
				if err == nil {
					err = errors.New("is damaged there")
				}
				return 0, err
			}
		}
		k.r = io.NewSectionReader(k.p.spool, at.start, at.size)
	}
	return k.r.Read(b)
}

// pick reads the archive and keeps what is wanted and not there yet.
func (p *Picker) pick(ctx context.Context) (err error) {
	if p.spool == nil {
		if p.spool, err = os.CreateTemp(p.dir, durable.TempPrefix); err != nil {
			return err
		}
		// It goes with the process, however that ends.
		if err := os.Remove(p.spool.Name()); err != nil {
			return err
		}
	}
	todo := p.wanted
	p.wanted = newBlobSet()
	for d := range p.at {
		todo.remove(d)
	}
	return p.archive.eachBlob(ctx, todo, 1, func(d storage.Digest, size int64, r io.Reader) error {
		start, err := p.spool.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		n, err := io.CopyBuffer(&spooling{p.spool}, io.LimitReader(r, size+1), make([]byte, copyBuffer))
		var full *spoolError
		if errors.As(err, &full) {
			return full.error
		}
		if err == nil {
			p.at[d] = section{start, n}
		}
		return ctx.Err()
	}, func(storage.Digest, string, error) {})
}

// spooling marks errors as the spool's, not the archive's.
type spooling struct{ f *os.File }

func (s *spooling) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	if err != nil {
		err = &spoolError{&fs.PathError{Op: "write", Path: filepath.Dir(s.f.Name()), Err: err}}
	}
	return n, err
}

type spoolError struct{ error }
