package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Sweep removes the temporary files and directories directly in dir that writes
// which were killed left behind, if they are at least that old: a younger one may
// belong to a write that is under way, unless the caller knows better and says
// 0. A directory that does not exist has none.
func Sweep(dir string, age time.Duration) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), TempPrefix) {
			continue
		}
		fi, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // in the place where it belongs by now
		case err != nil:
			errs = append(errs, err)
		case time.Since(fi.ModTime()) >= age:
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
