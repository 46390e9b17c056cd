package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sweepAge is how old a temporary file has to be to be nobody's: a write takes
// a moment.
const sweepAge = 10 * time.Minute

// Sweep removes from the directories (not from those below them) the temporary
// files that killed writes left behind: they can hold a key or a hash. A
// directory that is missing is no error. It returns what it removed.
func Sweep(now time.Time, dirs ...string) (removed []string, err error) {
	for _, dir := range dirs {
		entries, readErr := os.ReadDir(dir)
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			err = errors.Join(err, readErr)
		}
		for _, e := range entries {
			info, infoErr := e.Info()
			if !strings.HasPrefix(e.Name(), TempPrefix) || e.IsDir() || infoErr != nil || now.Sub(info.ModTime()) < sweepAge {
				continue
			}
			path := filepath.Join(dir, e.Name())
			if removeErr := os.Remove(path); removeErr != nil {
				err = errors.Join(err, removeErr)
				continue
			}
			removed = append(removed, path)
		}
	}
	return removed, err
}
