package storage

import "golang.org/x/sys/unix"

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
