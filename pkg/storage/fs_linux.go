package storage

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// unread has the time alone at which something was read last. To write that of
// each file and directory once a day would take a third of a collection's time.
const unread = unix.O_NOATIME

// openBeneath opens with one call what openat opens with several. ENOSYS: the
// kernel is older than 5.6, or a container's seccomp profile is.
func openBeneath(fd int, rel string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unread),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		got, err := unix.Openat2(fd, rel, &how)
		switch err {
		case unix.EINTR, unix.EAGAIN: // a rename somewhere in this very instant
			continue
		case unix.EPERM:
			if how.Flags&unread != 0 { // it belongs to somebody else
				how.Flags &^= unread
				continue
			}
			err = unix.ENOSYS
		case unix.EINVAL:
			err = unix.ENOSYS
		}
		return got, err
	}
}

// renameNew renames without replacing anything.
func renameNew(fromFD int, from string, toFD int, to string) error {
	err := unix.Renameat2(fromFD, from, toFD, to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EPERM {
		return renamePlain(fromFD, from, toFD, to)
	}
	return err
}

func syncFS(fd int) error { return unix.Syncfs(fd) }

// entriesLeft lists what an open directory has from where it is read. Directories
// of links and blobs have an entry or two, and there are millions of them: what
// os.File allocates for each would be most of the time.
func (d *dir) entriesLeft(f func(name string, typ fs.FileMode) error) error {
	var small [1 << 10]byte
	for buf := small[:]; ; {
		n, err := unix.Getdents(d.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EINVAL && len(buf) == len(small) { // not even one fits
			buf = make([]byte, 32<<10)
			continue
		}
		if err != nil {
			return failed("list", d.path, err)
		}
		if n <= 0 {
			return nil
		}
		if err := d.dirents(buf[:n], f); err != nil {
			return err
		}
		if len(buf) == len(small) && n > len(small)/2 {
			buf = make([]byte, 32<<10)
		}
	}
}

// dirents calls f for each struct linux_dirent64: inode, offset, length, type, name.
func (d *dir) dirents(buf []byte, f func(name string, typ fs.FileMode) error) error {
	for len(buf) > 19 {
		length := int(binary.NativeEndian.Uint16(buf[16:]))
		name := buf[19:length]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		kind := buf[18]
		buf = buf[length:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		typ := fs.ModeIrregular
		switch kind {
		case unix.DT_REG:
			typ = 0
		case unix.DT_DIR:
			typ = fs.ModeDir
		case unix.DT_LNK:
			typ = fs.ModeSymlink
		case unix.DT_UNKNOWN: // as old file systems and some of FUSE say
			i, err := d.stat(string(name))
			if absent(err) {
				continue
			}
			if err != nil {
				return err
			}
			typ = i.Mode.Type()
		}
		if err := f(string(name), typ); err != nil {
			return err
		}
	}
	return nil
}
