package fsck

import (
	"os"

	"golang.org/x/sys/unix"
)

// These are hints: whatever becomes of them, reading works.

func sequential(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
	// Since Linux 6.3 what is read this way does not push others' pages out.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_NOREUSE)
}

func willNeed(f *os.File, n int64) { _ = unix.Fadvise(int(f.Fd()), 0, n, unix.FADV_WILLNEED) }
