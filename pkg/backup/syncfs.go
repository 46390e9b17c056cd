package backup

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// syncfs flushes the whole file system that a file is on: one call where each of a
// million files and directories would need its own.
func syncfs(f *os.File) error {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: f.Name(), Err: err}
	}
	return nil
}

// syncsTogether tells whether [syncfs] guarantees as much as fsync(2) of each file
// and directory: that it waits, and that it tells of what could not be written. The
// latter is so since Linux 5.8; file systems of FUSE are not told of it at all, and
// others are not known.
func syncsTogether(f *os.File) bool {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil || !atLeastKernel(unix.ByteSliceToString(kernel.Release[:]), 5, 8) {
		return false
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return false
	}
	return slices.Contains([]int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC, zfsMagic}, int64(s.Type))
}

// zfsMagic is of OpenZFS: include/sys/fs/zfs.h.
const zfsMagic = 0x2fc12fc1

func atLeastKernel(release string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}
