package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MkdirAll makes dir and every missing directory above it, each with exactly
// the given mode whatever the umask, and makes them last. What exists is left
// as it is. Like WriteFile it lets a new directory belong to the owner of the
// one it is made in when root makes it.
//
// Each appears by a rename, complete: were it made in place, a process killed
// before the change of owner would leave a directory that locks its user out,
// and no later run would know that it was not meant so. Of several processes
// that make the same directory one wins and all succeed. (rename(2) replaces an
// empty directory: one that looks a directory up in the very instant another
// puts its own equal one there can be told that it does not exist.)
func MkdirAll(dir string, mode fs.FileMode) error {
	dir = filepath.Clean(dir)
	fi, err := os.Stat(dir)
	if err == nil {
		if fi.IsDir() {
			return nil
		}
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := MkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := mkdir(dir, mode); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// MkdirEach makes directories of these names in dir, which must be there, each as
// [MkdirAll] does. They last together, once all are made: to flush the disk for
// each of hundreds takes seconds.
func MkdirEach(dir string, names []string, mode fs.FileMode) error {
	for _, name := range names {
		if err := mkdir(filepath.Join(dir, name), mode); err != nil {
			return err
		}
	}
	return SyncDir(dir)
}

func mkdir(dir string, mode fs.FileMode) (err error) {
	tmp, err := tempName(dir)
	if err != nil {
		return err
	}
	defer func() { err = about(dir, tmp, err) }()
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp)
		}
	}()
	d, err := os.Open(tmp)
	if err != nil {
		return err
	}
	defer d.Close()
	if err = keepOwner(d, dir); err != nil {
		return err
	}
	fi, err := d.Stat()
	if err != nil {
		return err
	}
	// A directory made in a setgid one inherits the bit; a plain chmod would
	// take it away, and with it the group of everything below.
	if err = d.Chmod(mode.Perm() | fi.Mode()&fs.ModeSetgid); err != nil {
		return err
	}
	if isDir(dir) { // made by another process meanwhile
		return drop(tmp)
	}
	if err = os.Rename(tmp, dir); err != nil {
		if isDir(dir) { // the same, and files are in it already
			return drop(tmp)
		}
		return err
	}
	return nil
}

// drop removes a directory that is not needed; it may have been swept.
func drop(tmp string) error {
	if err := os.Remove(tmp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
