package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/storage"
)

// List is of [Target].
func (d *Dir) List(ctx context.Context, prefix string, f func(Object) error) error {
	var mu sync.Mutex
	return d.list(ctx, path.Clean(prefix), 2*flushers, func(all []Object) error {
		mu.Lock()
		defer mu.Unlock()
		for _, o := range all {
			if err := f(o); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *Dir) list(ctx context.Context, dir string, workers int, f func([]Object) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	open, err := d.openFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.about(dir, err)
	}
	defer open.Close()
	entries, err := open.ReadDir(-1)
	if err != nil {
		return d.about(dir, err)
	}
	var below []string
	var all []Object
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			below = append(below, name)
			continue
		}
		size, when, err := statAt(open, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return d.about(name, err)
		}
		all = append(all, Object{name, size, when})
	}
	if err := f(all); err != nil {
		return err
	}
	return storage.Each(workers, len(below), func(i int) error { return d.list(ctx, below[i], 1, f) })
}

// abandonedTemp is how much older than the newest lock a temporary file is that
// nobody writes any more, while that lock keeps everybody else away. Both times
// are of the target's clock.
const abandonedTemp = 5 * time.Minute

// Sweep removes the temporary files of runs that were killed. Who calls it holds
// the store's exclusive lock.
func (d *Dir) Sweep(ctx context.Context) error {
	var newest time.Time
	err := d.List(ctx, locksDir, func(o Object) error {
		if o.ModTime.After(newest) {
			newest = o.ModTime
		}
		return nil
	})
	if err != nil {
		return err
	}
	var old []string
	err = d.List(ctx, tempDir+"/", func(o Object) error {
		if newest.Sub(o.ModTime) > abandonedTemp {
			old = append(old, o.Name)
		}
		return nil
	})
	for _, name := range old {
		err = errors.Join(err, d.Remove(ctx, name))
	}
	return err
}
