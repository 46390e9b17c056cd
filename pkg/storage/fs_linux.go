package storage

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// openBeneath opens with one call what openat opens with several. ENOSYS: the
// kernel is older than 5.6, or a container's seccomp profile is.
func openBeneath(fd int, rel string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		got, err := unix.Openat2(fd, rel, &how)
		switch err {
		case unix.EINTR, unix.EAGAIN: // a rename somewhere in this very instant
			continue
		case unix.EPERM, unix.EINVAL:
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

// listSmall lists a directory whose entries fit into one buffer, as those of
// blobs and links do, without what os.File costs. It returns false, and has called
// nothing, where that is not so.
func listSmall(fd int, visit func(name string, typ fs.FileMode)) (bool, error) {
	var buf [1024]byte
	n, err := unix.Getdents(fd, buf[:])
	if err != nil {
		return false, nil
	}
	type entry struct {
		name []byte
		typ  fs.FileMode
	}
	var list [4]entry
	found := list[:0]
	for at := 0; at < n; {
		// struct linux_dirent64: inode, offset, length, type, name.
		length := int(binary.NativeEndian.Uint16(buf[at+16:]))
		name := buf[at+19 : at+length]
		name = name[:bytes.IndexByte(name, 0)]
		var typ fs.FileMode
		switch buf[at+18] {
		case unix.DT_REG:
		case unix.DT_DIR:
			typ = fs.ModeDir
		case unix.DT_LNK:
			typ = fs.ModeSymlink
		case unix.DT_UNKNOWN:
			return false, nil
		default:
			typ = fs.ModeIrregular
		}
		at += length
		if string(name) == "." || string(name) == ".." {
			continue
		}
		if len(found) == len(list) {
			return false, nil
		}
		found = append(found, entry{name, typ})
	}
	var more [1024]byte
	if n, err := unix.Getdents(fd, more[:]); n != 0 || err != nil {
		return false, nil
	}
	for _, e := range found {
		visit(string(e.name), e.typ)
	}
	return true, nil
}
