package storage

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Move renames a file or directory below the root to another place below the
// root, whose directory must exist. Something that is at the new place already is
// an error that wraps [fs.ErrExist], also when it came there in this instant.
// Nothing is flushed to the disk.
func (s *Store) Move(from, to string) error {
	m := NewMover(s)
	defer m.Close()
	return m.Move(from, to)
}

// Mover moves many things, and keeps the directories open between which it
// moved last. It is for one goroutine.
type Mover struct {
	s        *Store
	from, to parent
}

type parent struct {
	path string
	d    *dir
}

// NewMover returns a Mover, to be closed.
func NewMover(s *Store) *Mover { return &Mover{s: s} }

// Close closes what it keeps open.
func (m *Mover) Close() {
	m.from.close()
	m.to.close()
}

func (p *parent) close() {
	if p.d != nil {
		p.d.close()
	}
	*p = parent{}
}

func (p *parent) open(s *Store, path string) (*dir, error) {
	if p.d != nil && p.path == path {
		return p.d, nil
	}
	p.close()
	d := s.root
	if path != "" {
		var err error
		if d, err = s.root.open(path); err != nil {
			return nil, err
		}
		*p = parent{path, d}
	}
	return d, nil
}

// Move is [Store.Move].
func (m *Mover) Move(from, to string) error {
	fromParent, fromName := split(from)
	toParent, toName := split(to)
	src, err := m.from.open(m.s, fromParent)
	if err != nil {
		return err
	}
	dst, err := m.to.open(m.s, toParent)
	if err != nil {
		return err
	}
	err = renameNew(src.fd, fromName, dst.fd, toName)
	if errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "rename", Path: to, Err: err}
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: err}
	}
	return nil
}

// Lstat is [Store.Lstat] of a path below dir, which is kept open.
func (m *Mover) Lstat(dir, rel string) (Info, error) {
	d, err := m.from.open(m.s, dir)
	if err != nil {
		return Info{}, err
	}
	return d.stat(rel)
}

// List calls visit for each entry of a directory below parent, which is kept open.
func (m *Mover) List(parent, name string, visit func(name string, typ fs.FileMode)) error {
	d, err := m.from.open(m.s, parent)
	if err != nil {
		return err
	}
	fd, err := openName(d.fd, name, dirFlags)
	if err != nil {
		return failed("open", join(d.path, name), err)
	}
	sub := &dir{fd: fd, path: join(d.path, name)}
	defer sub.close()
	return sub.each(func(name string, typ fs.FileMode) error {
		visit(name, typ)
		return nil
	})
}

// renamePlain is for file systems that cannot rename without replacing (NFS):
// rename(2) replaces neither a directory that has something in it nor one kind by
// the other, so that only an empty directory can go, and only in this instant.
func renamePlain(fromFD int, from string, toFD int, to string) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(toFD, to, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return unix.EEXIST
	case err != unix.ENOENT:
		return err
	}
	err := unix.Renameat(fromFD, from, toFD, to)
	if err == unix.ENOTEMPTY {
		err = unix.EEXIST
	}
	return err
}

// Sync flushes everything that was moved to the disk.
func (s *Store) Sync() error { return syncFS(s.root.fd) }
