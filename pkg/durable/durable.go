// Package durable writes files so that a crash at any instant leaves either
// what was there before or what was meant to be there, never half of it.
//
// Everything regctl keeps (configuration, users, certificates, state) goes
// through it: a temporary file in the same directory, fsync, rename, fsync of
// the directory. Without the last step a rename can be lost with the power.
package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// TempPrefix begins the name of every temporary file that this package makes.
// A file of that name is the left-over of a write that was killed.
const TempPrefix = ".regctl-tmp-"

// WriteFile replaces path by data with exactly the given mode. The temporary
// file is created with that mode minus what the umask takes, and widened only
// after the data is in it, so a secret is never readable by others for an
// instant. When path exists and belongs to another user, that owner is kept if
// the process may do so: a root cron job must not lock the owner out.
func WriteFile(path string, data []byte, mode fs.FileMode) (err error) {
	return write(path, data, mode, os.Rename)
}

// CreateFile is WriteFile for a file that must not exist yet: it fails with
// fs.ErrExist rather than replace anything, also when another process creates
// path meanwhile.
func CreateFile(path string, data []byte, mode fs.FileMode) error {
	return write(path, data, mode, func(tmp, path string) error {
		// link(2) fails if the name is taken, which rename(2) does not.
		if err := os.Link(tmp, path); err != nil {
			return err
		}
		return os.Remove(tmp)
	})
}

func write(path string, data []byte, mode fs.FileMode, place func(tmp, path string) error) (err error) {
	tmp, err := tempName(path)
	if err != nil {
		return err
	}
	defer func() { err = about(path, tmp, err) }()
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()&0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(mode.Perm()); err != nil {
		return err
	}
	if err = keepOwner(f, path); err != nil {
		return err
	}
	if err = later(tmp, path); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = place(tmp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Symlink makes link point to target, replacing a symbolic link that is there
// by one rename: a reader sees the old or the new one, never none. It refuses
// to replace anything but a symbolic link.
func Symlink(target, link string) (err error) {
	if fi, err := os.Lstat(link); err == nil && fi.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("%s exists and is not a symbolic link", link)
	}
	tmp, err := tempName(link)
	if err != nil {
		return err
	}
	defer func() { err = about(link, tmp, err) }()
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		os.Remove(tmp)
		return err
	}
	return SyncDir(filepath.Dir(link))
}

// Rename moves a file or directory within one file system and makes the move
// last: both directories are flushed.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return nil
	}
	return SyncDir(filepath.Dir(from))
}

// SyncDir flushes a directory's entries to the disk. File systems that cannot
// (EINVAL, ENOTSUP) are taken at their word.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errInvalid) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// later makes the new file younger than the one it replaces. Two writes within
// one tick of the file system's clock would carry the same time, and a reader
// that looks at times alone (the registry at its user file) would miss the
// second one.
func later(tmp, path string) error {
	old, err := os.Stat(path)
	if err != nil {
		return nil // nothing there to be mistaken for
	}
	fi, err := os.Stat(tmp)
	if err != nil || fi.ModTime().After(old.ModTime()) {
		return err
	}
	return os.Chtimes(tmp, time.Time{}, old.ModTime().Add(time.Microsecond))
}

// about makes an error that names the temporary file name the one that was to be
// written, which is the one that a person knows.
func about(path, tmp string, err error) error {
	var (
		onPath *fs.PathError
		onLink *os.LinkError
	)
	switch {
	case errors.As(err, &onPath) && onPath.Path == tmp:
		return &fs.PathError{Op: onPath.Op, Path: path, Err: onPath.Err}
	case errors.As(err, &onLink) && (onLink.Old == tmp || onLink.New == tmp):
		return &fs.PathError{Op: onLink.Op, Path: path, Err: onLink.Err}
	}
	return err
}

func tempName(path string) (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(path), TempPrefix+hex.EncodeToString(b[:])), nil
}
