package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// tempDir holds what is being written.
const tempDir = "tmp"

// Dir is a target in a directory.
type Dir struct {
	path     string
	name     string // what it is called in messages
	root     *os.Root
	top      *os.File // the same directory
	uid, gid int      // whom new files belong to; -1: whoever writes
	together bool     // syncfs(2) is as good as fsync(2) of each file

	flushing  sync.Mutex // held while the file system is flushed; guards unflushed
	unflushed error      // what it said once
	buffers   sync.Pool

	mu      sync.Mutex
	made    map[string]bool // directories that are there
	pending []pending
	open    int // of pending
	bytes   int64
	dirty   map[string]bool // directories that have new entries
}

// OpenDir opens a directory as a target. What root writes belongs to the
// directory's owner, as everything in it.
func OpenDir(dir string, create bool) (*Dir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if create {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, advice.With(fmt.Errorf("%w: there is no directory %s", ErrNoStore, dir), "is the disk mounted? regctl backup create --to %s makes the first", dir)
	}
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	d := &Dir{path: dir, name: dir, root: root, top: top, uid: -1, gid: -1, together: syncsTogether(top), made: map[string]bool{}, dirty: map[string]bool{}}
	d.buffers.New = func() any { return new([copyBuffer]byte) }
	fi, err := top.Stat()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && st.Uid != 0 {
		d.uid, d.gid = int(st.Uid), int(st.Gid)
	}
	return d, nil
}

func (d *Dir) String() string { return d.name }

// Call gives it another name in messages: the user's, where it is mounted
// elsewhere.
func (d *Dir) Call(name string) { d.name = name }

// Close closes it; what was not flushed is gone.
func (d *Dir) Close() error {
	d.mu.Lock()
	lost := d.pending
	d.pending = nil
	d.mu.Unlock()
	for _, p := range lost {
		d.drop(p)
	}
	return errors.Join(d.top.Close(), d.root.Close())
}

// drop gives up what is not in its place.
func (d *Dir) drop(p pending) {
	if p.f != nil {
		p.f.Close()
	}
	_ = d.root.Remove(p.tmp) // an old one is swept by prune
}

// Put is of [Target].
func (d *Dir) Put(ctx context.Context, name string, size int64, r io.Reader) (err error) {
	if err := d.mkdir(tempDir); err != nil {
		return err
	}
	p := pending{tmp: tempDir + "/" + rand.Text(), name: name}
	if p.f, err = d.openFile(p.tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return d.about(name, err)
	}
	defer func() {
		if err != nil {
			d.drop(p)
		}
	}()
	if d.uid >= 0 {
		if err := p.f.Chown(d.uid, d.gid); err != nil {
			return d.about(name, err)
		}
	}
	buffer := d.buffers.Get().(*[copyBuffer]byte)
	w := fdWriter{fd: int(p.f.Fd())}
	n, err := io.CopyBuffer(&w, &ctxReader{ctx, r}, buffer[:])
	d.buffers.Put(buffer)
	if w.err != nil {
		return d.about(name, &fs.PathError{Op: "write", Path: name, Err: w.err})
	}
	if err != nil {
		return d.about(name, err)
	}
	if size >= 0 && n != size {
		return fmt.Errorf("%s: %d bytes came of %d", name, n, size)
	}
	w.end()
	return d.written(p, n)
}

// mkdir makes a directory and those above it.
func (d *Dir) mkdir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		at = path.Join(at, part)
		if at == "." || d.made[at] {
			continue
		}
		err := d.root.Mkdir(at, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return d.about(at, err)
		}
		if err == nil {
			if d.uid >= 0 {
				if err := d.root.Chown(at, d.uid, d.gid); err != nil {
					return d.about(at, err)
				}
			}
			d.dirty[path.Dir(at)] = true
		}
		d.made[at] = true
	}
	return nil
}

// Open is of [Target].
func (d *Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := d.openFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, d.about(name, err)
	}
	return f, nil
}

// openFile is os.Root's, with one call where that makes one for each directory on
// the way and then some.
func (d *Dir) openFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Mode: uint64(mode), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(int(d.top.Fd()), name, &how)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), name), nil
		case unix.EINTR:
		case unix.ENOENT, unix.EEXIST, unix.ENOSPC:
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		default: // of an old kernel, a container's filter, a rename in this instant, or true
			return d.root.OpenFile(name, flags, mode)
		}
	}
}

// Remove is of [Target].
func (d *Dir) Remove(_ context.Context, name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.about(name, err)
	}
	d.mu.Lock()
	d.dirty[path.Dir(name)] = true
	d.mu.Unlock()
	return nil
}

// about names the object as the user finds it, and says what helps.
func (d *Dir) about(name string, err error) error {
	err = d.named(name, err)
	switch {
	case full(err):
		return advice.With(err, "regctl backup forget --prune frees room there; or give it more, and run again: what is there already stays")
	case errors.Is(err, syscall.EROFS):
		return advice.With(err, "it is mounted read-only, which the system also does by itself after an error of the disk; see dmesg")
	case errors.Is(err, syscall.EIO), away(err):
		return advice.With(err, "the disk or its connection fails; see dmesg")
	}
	return err
}

// full tells that a disk, or what one may have of it, is.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (d *Dir) named(name string, err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	switch {
	case errors.As(err, &onPath):
		return &fs.PathError{Op: onPath.Op, Path: filepath.Join(d.name, name), Err: onPath.Err}
	case errors.As(err, &onLink):
		return &fs.PathError{Op: onLink.Op, Path: filepath.Join(d.name, name), Err: onLink.Err}
	}
	return err
}

// copyBuffer is what is read at a time: large enough that calls cost nothing, and
// small enough to stay in the processor's cache between hashing and writing.
const copyBuffer = 256 << 10

// onlyWriter hides ReadFrom, which would choose its own buffer.
type onlyWriter struct{ io.Writer }

// ctxReader ends when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
