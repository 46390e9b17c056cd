//go:build !linux

package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const unread = 0

func openBeneath(int, string, int) (int, error) { return -1, unix.ENOSYS }

func renameNew(fromFD int, from string, toFD int, to string) error {
	return renamePlain(fromFD, from, toFD, to)
}

func syncFS(int) error {
	unix.Sync()
	return nil
}

func (d *dir) entriesLeft(f func(name string, typ fs.FileMode) error) error {
	fd, err := unix.Dup(d.fd) // os.File closes its own
	if err != nil {
		return failed("list", d.path, err)
	}
	file := os.NewFile(uintptr(fd), d.path)
	defer file.Close()
	for {
		entries, err := file.ReadDir(1024)
		for _, e := range entries {
			if err := f(e.Name(), e.Type()); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, errors.Unwrap(err))
		}
	}
}
