//go:build !linux

package storage

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func openBeneath(int, string, int) (int, error) { return -1, unix.ENOSYS }

func renameNew(fromFD int, from string, toFD int, to string) error {
	return renamePlain(fromFD, from, toFD, to)
}

func syncFS(int) error {
	unix.Sync()
	return nil
}

func listSmall(int, func(string, fs.FileMode)) (bool, error) { return false, nil }
