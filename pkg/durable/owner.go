package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

const errInvalid = syscall.EINVAL

// keepOwner gives the new file f the owner of the file it is to replace or,
// for a new one, of its directory: what root adds to a deployment that another
// user owns stays that user's. Only root can, so others are left alone.
func keepOwner(f *os.File, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		fi, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
