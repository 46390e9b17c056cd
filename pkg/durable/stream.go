package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Stream makes a file of what write gives it, with exactly the given mode, and
// returns its size in bytes: the file is there whole or not at all. It is for what
// is too large to be held in memory. The error is fs.ErrExist where path exists.
//
// What a run that was killed left goes with the next one for the same path: nobody
// sweeps the directories of a person.
func Stream(path string, mode fs.FileMode, write func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	prefix := filepath.Join(filepath.Dir(path), TempPrefix+filepath.Base(path)+"-")
	if err := dropDead(prefix); err != nil {
		return 0, err
	}
	tmp := prefix + rand.Text()
	defer func() { err = about(path, tmp, err) }()
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
	// Whoever holds it is alive. Where a file system has no locks nobody can tell, and
	// dropDead removes nothing.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, fmt.Errorf("lock %s: %w", path, err)
	}
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
	if err := place(tmp, path); err != nil {
		return 0, err
	}
	// It is there; what is left to do fails no more.
	return fi.Size(), errors.Join(f.Close(), SyncDir(filepath.Dir(path)))
}

// place gives a file its name unless that is taken.
func place(tmp, path string) error {
	err := os.Link(tmp, path)
	switch {
	case err == nil:
		return os.Remove(tmp)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return os.Rename(tmp, path) // a file system without links, such as a stick's
}

// dropDead removes the files of writers that are gone.
func dropDead(prefix string) error {
	entries, err := os.ReadDir(filepath.Dir(prefix))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(filepath.Dir(prefix), e.Name())
		if len(name) <= len(prefix) || name[:len(prefix)] != prefix || !e.Type().IsRegular() {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue // another's, or gone
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.Remove(name)
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
