package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Stream makes a file of what write gives it, with exactly the given mode, and
// returns its size in bytes: the file is there whole or not at all. It is for what
// is too large to be held in memory. The error is fs.ErrExist where path exists.
//
// The temporary file has one name for each path, so that what a run that was killed
// left goes with the next one: nobody sweeps the directories of a person.
func Stream(path string, mode fs.FileMode, write func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	tmp := filepath.Join(filepath.Dir(path), TempPrefix+filepath.Base(path))
	defer func() { err = about(path, tmp, err) }()
	// What lies there may be somebody else's file or a link, and is never written to.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()&0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if err := write(f); err != nil {
		return 0, err
	}
	if err := errors.Join(f.Chmod(mode.Perm()), f.Sync()); err != nil {
		return 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	return fi.Size(), Rename(tmp, path)
}
