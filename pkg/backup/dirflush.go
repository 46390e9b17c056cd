package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/storage"
)

// Objects are flushed to the disk together, which costs a fraction of one at a
// time: so many, so many that are open, or so many bytes.
const (
	batchObjects = 4096
	batchOpen    = 128
	batchBytes   = 256 << 20
	// flushers is how many fsync(2) run at once.
	flushers = 8
	// Of objects smaller than smallObject more than fewObjects are flushed by flushing
	// the file system once, which may have much else to write.
	smallObject = 1 << 20
	fewObjects  = 32
)

// pending is an object that is written and not yet in its place.
type pending struct {
	f         *os.File // nil: closed, and flushed with the whole file system
	tmp, name string
}

// written takes an object that is written and not flushed. On an error it is the
// caller's again.
func (d *Dir) written(p pending, size int64) error {
	if strings.HasPrefix(p.name, locksDir) {
		// A lock need not last: what makes it vanish ends its holder, too.
		if err := p.f.Close(); err != nil {
			return d.about(p.name, err)
		}
		if err := d.mkdir(path.Dir(p.name)); err != nil {
			return err
		}
		return d.about(p.name, d.root.Rename(p.tmp, p.name))
	}
	d.mu.Lock()
	if d.together && size < smallObject && d.open >= fewObjects {
		if err := p.f.Close(); err != nil {
			d.mu.Unlock()
			return d.about(p.name, err)
		}
		p.f = nil
	}
	d.pending = append(d.pending, p)
	d.bytes += size
	if p.f != nil {
		d.open++
	}
	var batch []pending
	if len(d.pending) >= batchObjects || d.open >= batchOpen || d.bytes >= batchBytes {
		batch = d.take()
	}
	d.mu.Unlock()
	return d.place(batch)
}

// take takes what is pending. The caller holds mu.
func (d *Dir) take() []pending {
	batch := d.pending
	d.pending, d.open, d.bytes = nil, 0, 0
	return batch
}

// Flush is of [Target].
func (d *Dir) Flush(context.Context) error {
	d.mu.Lock()
	batch := d.take()
	d.mu.Unlock()
	err := d.place(batch)
	d.mu.Lock()
	dirty := d.dirty
	d.dirty = map[string]bool{}
	d.mu.Unlock()
	if d.together && len(dirty) > flushers {
		return errors.Join(err, d.flushAll())
	}
	for dir := range dirty {
		err = errors.Join(err, d.syncDir(dir))
	}
	return err
}

// place flushes and renames. Whatever happens, what it is given is in its place
// afterwards or gone.
func (d *Dir) place(batch []pending) error {
	if err := d.flushFiles(batch); err != nil {
		for _, p := range batch {
			d.drop(p)
		}
		return err
	}
	dirs := map[string][]pending{}
	for _, p := range batch {
		dirs[path.Dir(p.name)] = append(dirs[path.Dir(p.name)], p)
	}
	names := make([]string, 0, len(dirs))
	for dir := range dirs {
		names = append(names, dir)
	}
	errs := make([]error, len(names))
	_ = storage.Each(flushers, len(names), func(i int) error {
		errs[i] = d.moveTo(names[i], dirs[names[i]])
		return nil // the others are good
	})
	for _, err := range errs {
		if err != nil {
			return err // that of one tells all: a full disk fails each of them
		}
	}
	return nil
}

// flushAll flushes the file system. What could not be written is told once, to
// whoever asks first, and may be about the objects of any: so it is told to all who
// ask later.
func (d *Dir) flushAll() error {
	d.flushing.Lock()
	defer d.flushing.Unlock()
	if d.unflushed == nil {
		d.unflushed = d.about("", syncfs(d.top))
	}
	return d.unflushed
}

// flushFiles makes their contents last, and closes them.
func (d *Dir) flushFiles(batch []pending) error {
	all := slices.ContainsFunc(batch, func(p pending) bool { return p.f == nil })
	if all {
		if err := d.flushAll(); err != nil {
			return err
		}
	}
	return storage.Each(flushers, len(batch), func(i int) error {
		p := &batch[i]
		if p.f == nil {
			return nil
		}
		var err error
		if !all {
			err = p.f.Sync()
		}
		err = errors.Join(err, p.f.Close())
		p.f = nil
		return d.about(p.name, err)
	})
}

// moveTo renames all that belongs into a directory.
func (d *Dir) moveTo(dir string, all []pending) error {
	first := d.mkdir(dir)
	var to *os.File
	if first == nil {
		to, first = d.openFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	}
	var from *os.File
	if first == nil {
		defer to.Close()
		from, first = d.openFile(tempDir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	}
	if first != nil {
		for _, p := range all {
			d.drop(p)
		}
		return d.about(dir, first)
	}
	defer from.Close()
	for _, p := range all {
		err := unix.Renameat(int(from.Fd()), path.Base(p.tmp), int(to.Fd()), path.Base(p.name))
		if err == nil {
			continue
		}
		d.drop(p)
		if first == nil {
			first = d.about(p.name, &fs.PathError{Op: "rename", Path: p.name, Err: err})
		}
	}
	d.mu.Lock()
	d.dirty[dir] = true
	d.mu.Unlock()
	return first
}

func (d *Dir) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return d.about(dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return d.about(dir, err)
	}
	return nil
}
