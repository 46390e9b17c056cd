package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/fsck"
	"github.com/regctl/regctl/pkg/storage"
)

// fsckSource is what --from names, and what it takes to read it. It has secrets, and
// never leaves this process: a container gets the blobs alone.
type fsckSource struct {
	Dest     string        `json:"dest"`
	Access   backup.Access `json:"access"`
	Identity []byte        `json:"identity,omitempty"`
	// Spool is where the single blobs of an exported file are unpacked.
	Spool string `json:"spool,omitempty"`
}

// fsckSources finds out what it takes to read what --from names. Backups are read
// with what regctl.yaml says of them, if there is one.
func (a *App) fsckSources(o fsckOptions) (out []fsckSource, err error) {
	for _, from := range o.from {
		s := fsckSource{Dest: from}
		if isBackup(from) {
			f := storeFlags{dest: from, identity: o.identity}
			var d *deployment
			if o.root == "" {
				d, err = a.open() // it is what is mended
			} else {
				d, err = a.deploymentIf(f)
			}
			if err != nil {
				return nil, err
			}
			p, err := a.depot(d, f)
			if err != nil {
				return nil, err
			}
			s = fsckSource{Dest: p.dest, Access: p.access, Identity: p.identity, Spool: filepath.Join(o.root, storage.StateDir)}
			if o.root == "" {
				s.Spool = d.Path(compose.StateDir)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// isBackup tells object storage, a directory of backups and an exported file from a
// registry and a storage directory.
func isBackup(from string) bool {
	if scheme, _, ok := strings.Cut(from, "://"); ok {
		return scheme == "s3"
	}
	fi, err := os.Stat(from)
	return err == nil && (fi.Mode().IsRegular() || backup.HasStore(from))
}

// openSources opens them. Until they are done with nobody removes what backups hold,
// except in a dry run, which writes no lock.
func openSources(ctx context.Context, from []fsckSource, dry bool) (out []fsck.Source, done func(), err error) {
	var closers []io.Closer
	done = func() {
		for _, c := range closers {
			c.Close() // nothing was written to it that has to last
		}
	}
	for _, f := range from {
		var s fsck.Source
		var c io.Closer
		switch fi, statErr := os.Stat(f.Dest); {
		case isBackup(f.Dest) && statErr == nil && fi.Mode().IsRegular():
			s, c, err = openArchiveSource(ctx, f)
		case isBackup(f.Dest):
			s, c, err = openStoreSource(ctx, f, dry)
		case strings.Contains(f.Dest, "://"):
			if s, err = fsck.OpenRegistry(f.Dest); err != nil {
				err = usagef("--from: %w", err)
			}
		default:
			var d *fsck.Directory
			d, err = fsck.OpenDirectory(f.Dest)
			s, c = d, d
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		if c != nil {
			closers = append(closers, c)
		}
		out = append(out, s)
	}
	return out, done, nil
}

// storeSource is backups, encrypted or not, in a directory or in object storage.
type storeSource struct{ store *backup.Store }

// readStore is a store that is held while it is read.
type readStore struct {
	*backup.Store
	release func()
}

func (s readStore) Close() error {
	s.release()
	return s.Store.Close()
}

func openStoreSource(ctx context.Context, f fsckSource, dry bool) (fsck.Source, io.Closer, error) {
	keys, err := backup.NewKeys(nil, f.Identity)
	if err != nil {
		return nil, nil, err
	}
	t, err := backup.OpenTarget(f.Dest, f.Access, false)
	if err != nil {
		return nil, nil, err
	}
	s, err := backup.Open(ctx, t, keys)
	if err == nil {
		err = s.CheckKeys(ctx)
	}
	release := func() {}
	if err == nil && !dry {
		// Should somebody break the lock, what goes then is not there, as anywhere.
		release, _, err = s.Reading(ctx, "regctl fsck --repair")
	}
	if err != nil {
		return nil, nil, errors.Join(err, t.Close())
	}
	return storeSource{s}, readStore{s, release}, nil
}

// Open is of [fsck.Source].
func (s storeSource) Open(ctx context.Context, w fsck.Want) (io.ReadCloser, error) {
	return s.store.Blob(ctx, w.Digest)
}

func (s storeSource) String() string { return s.store.String() }

// archiveSource is a file that regctl backup export wrote.
type archiveSource struct {
	path string
	p    *backup.Picker
}

func openArchiveSource(ctx context.Context, f fsckSource) (fsck.Source, io.Closer, error) {
	keys, err := backup.NewKeys(nil, f.Identity)
	if err != nil {
		return nil, nil, err
	}
	arc, err := backup.OpenArchive(ctx, f.Dest, keys)
	if errors.Is(err, backup.ErrArchive) {
		err = advice.With(err, "--from takes a file that regctl backup export wrote, a directory, or an URL")
	}
	if err != nil {
		return nil, nil, err
	}
	if err := arc.CheckKeys(ctx); err != nil {
		return nil, nil, err
	}
	p, err := arc.NewPicker(ctx, f.Spool)
	if err != nil {
		return nil, nil, err
	}
	return archiveSource{f.Dest, p}, p, nil
}

// Announce is of [fsck.Announced].
func (s archiveSource) Announce(wants []fsck.Want) {
	for _, w := range wants {
		s.p.Want(w.Digest)
	}
}

// Open is of [fsck.Source].
func (s archiveSource) Open(ctx context.Context, w fsck.Want) (io.ReadCloser, error) {
	return s.p.Blob(ctx, w.Digest)
}

func (s archiveSource) String() string { return s.path }
