package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
)

// maxFile is the most bytes read of one certificate or key. The longest chains
// have some 20 KiB.
const maxFile = 1 << 20

// LoadFiles reads a pair from two files of the user's. Links are followed:
// those in certbot's live/ directories are links. It checks the files, not what
// is in them (Pair.Check). Errors wrap those of the file system.
func LoadFiles(certPath, keyPath string) (Pair, error) {
	cert, err := readFile(certPath)
	if err != nil {
		return Pair{}, err
	}
	key, err := readFile(keyPath)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Fullchain: cert, Key: key}, nil
}

// readFile reads a regular file of at most maxFile bytes that is not empty.
func readFile(path string) ([]byte, error) {
	// Not blocking: opening a FIFO would otherwise wait for someone to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, advice.With(err, "run regctl as a user who may read %s", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case fi.IsDir():
		return nil, inDirectory(path)
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes: it is no certificate or key", path, maxFile)
	}
	return data, nil
}

// inDirectory helps whoever names a directory, most often one of certbot's.
func inDirectory(dir string) error {
	err := &fs.PathError{Op: "read", Path: dir, Err: syscall.EISDIR}
	if _, statErr := os.Stat(filepath.Join(dir, fullchainFile)); statErr == nil {
		return advice.With(err, "name the files in it: %s and %s", filepath.Join(dir, fullchainFile), filepath.Join(dir, keyFile))
	}
	return err
}
