package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dir is an open directory. Whatever is below it is reached from its
// descriptor, so that a symbolic link or a renamed parent leads nowhere else.
type dir struct {
	fd   int
	path string // for messages: relative to the root
	// listed tells that it has to be rewound before it is listed again.
	listed bool
}

// Info is what the file system knows of a file or directory.
type Info struct {
	Size int64
	// ModTime is when the content changed last, Changed when the inode did: a
	// rename changes the latter alone, and nobody can set it back.
	ModTime, Changed time.Time
	Mode             fs.FileMode
	UID, GID         int
	links            uint64
	inode            uint64
}

// Younger is the later of the two times.
func (i Info) Younger() time.Time {
	if i.Changed.After(i.ModTime) {
		return i.Changed
	}
	return i.ModTime
}

// Subdirectories is how many directories a directory has, -1 where the file
// system does not tell.
func (i Info) Subdirectories() int {
	if i.links < 2 {
		return -1
	}
	return int(i.links) - 2
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

func openDir(path string) (*dir, error) {
	for {
		fd, err := unix.Open(path, dirFlags, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return &dir{fd: fd}, nil
	}
}

func (d *dir) close() {
	if d.fd >= 0 {
		unix.Close(d.fd)
	}
	d.fd = -1
}

// open opens a directory below.
func (d *dir) open(rel string) (*dir, error) {
	at := join(d.path, rel)
	fd, err := openat(d.fd, rel, dirFlags)
	if err != nil {
		return nil, failed("open", at, err)
	}
	return &dir{fd: fd, path: at}, nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// openat opens what is at rel, following no symbolic link on the way.
func openat(fd int, rel string, flags int) (int, error) {
	if got, err := openBeneath(fd, rel, flags); err != unix.ENOSYS {
		return got, err
	}
	return openComponents(fd, rel, flags)
}

func openComponents(fd int, rel string, flags int) (int, error) {
	at := fd
	for {
		name, rest, more := strings.Cut(rel, "/")
		f := flags
		if more {
			f = dirFlags
		}
		next, err := openName(at, name, f)
		if at != fd {
			unix.Close(at)
		}
		if err != nil || !more {
			return next, err
		}
		at, rel = next, rest
	}
}

func openName(fd int, name string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW | unread
	for {
		got, err := unix.Openat(fd, name, flags, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EPERM && flags&unread != 0: // it belongs to somebody else
			flags &^= unread
			continue
		}
		return got, err
	}
}

// failed is an error about a path; ELOOP and ENOTDIR come from O_NOFOLLOW.
func failed(op, path string, err error) error {
	if err == unix.ELOOP {
		err = errors.New("is a symbolic link")
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// each calls f for each entry in no order. Entries that vanish meanwhile are
// left out.
func (d *dir) each(f func(name string, typ fs.FileMode) error) error {
	if d.listed {
		if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
			return failed("list", d.path, err)
		}
	}
	d.listed = true
	return d.entriesLeft(f)
}

// stat looks at a file or directory below without following a symbolic link at
// its end; what leads there must have been seen to be directories.
func (d *dir) stat(rel string) (Info, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(d.fd, rel, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return Info{}, failed("stat", join(d.path, rel), err)
		}
		return info(&st), nil
	}
}

func info(st *unix.Stat_t) Info {
	i := Info{
		Size: st.Size, ModTime: time.Unix(st.Mtim.Unix()), Changed: time.Unix(st.Ctim.Unix()),
		Mode: fs.FileMode(st.Mode & 0o777), UID: int(st.Uid), GID: int(st.Gid),
		links: uint64(st.Nlink), inode: uint64(st.Ino),
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
	case syscall.S_IFDIR:
		i.Mode |= fs.ModeDir
	case syscall.S_IFLNK:
		i.Mode |= fs.ModeSymlink
	default:
		i.Mode |= fs.ModeIrregular
	}
	return i
}

// openFile opens a regular file below.
func (d *dir) openFile(rel string) (*os.File, Info, error) {
	at := join(d.path, rel)
	// Not to wait for a writer of what may be a pipe.
	fd, err := openat(d.fd, rel, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, Info{}, failed("open", at, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, Info{}, failed("stat", at, err)
	}
	i := info(&st)
	if !i.Mode.IsRegular() {
		unix.Close(fd)
		return nil, Info{}, &fs.PathError{Op: "open", Path: at, Err: errors.New("is not a regular file")}
	}
	return os.NewFile(uintptr(fd), at), i, nil
}

// read reads a small file below into buf: up to len(buf) bytes, more is an
// error that wraps [ErrTooLarge].
func (d *dir) read(rel string, buf []byte) ([]byte, Info, error) {
	at := join(d.path, rel)
	fd, err := openat(d.fd, rel, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, Info{}, failed("open", at, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, Info{}, failed("stat", at, err)
	}
	i := info(&st)
	if !i.Mode.IsRegular() {
		return nil, i, &fs.PathError{Op: "open", Path: at, Err: errors.New("is not a regular file")}
	}
	n := 0
	for {
		if n == len(buf) {
			return nil, i, &fs.PathError{Op: "read", Path: at, Err: ErrTooLarge}
		}
		m, err := unix.Read(fd, buf[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, i, failed("read", at, err)
		case m == 0:
			return buf[:n], i, nil
		default:
			n += m
			if n < len(buf) && int64(n) >= i.Size {
				return buf[:n], i, nil // all that there was a moment ago
			}
		}
	}
}

// ErrTooLarge is about a file that is larger than its kind may be.
var ErrTooLarge = errors.New("too large")
