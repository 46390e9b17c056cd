package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/regctl/regctl/pkg/advice"
)

// ErrNoStorage says that a directory holds no registry's content.
var ErrNoStorage = errors.New("no registry storage")

// Store is an open storage directory. It may be used by several goroutines.
type Store struct {
	path string
	root *dir
	// v2 is docker/registry/v2.
	v2 *dir
	// buffers are for manifests, one after the other.
	buffers sync.Pool
}

// Open opens the storage whose root is path: the directory that holds
// docker/registry/v2. Where that is not there the error wraps [ErrNoStorage]: an
// empty registry has none yet, and a mistyped path neither.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := openDir(path)
	if err != nil {
		return nil, err
	}
	v2, err := root.open(layout)
	if err != nil {
		root.close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, advice.With(fmt.Errorf("%w: %s has no %s", ErrNoStorage, path, layout),
				"name the directory that holds %s", layout)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Store{path: path, root: root, v2: v2}, nil
}

// Close closes it.
func (s *Store) Close() error {
	s.v2.close()
	s.root.close()
	return nil
}

// Dir is the root's absolute path.
func (s *Store) Dir() string { return s.path }

// Path makes an absolute path of one below the root, for messages.
func (s *Store) Path(rel string) string { return filepath.Join(s.path, filepath.FromSlash(rel)) }

// Lstat looks at a file or directory by its path below the root. A symbolic link
// on the way is an error, at the end it is what is looked at.
func (s *Store) Lstat(rel string) (Info, error) {
	parent, name := split(rel)
	if parent == "" {
		return s.root.stat(name)
	}
	d, err := s.root.open(parent)
	if err != nil {
		return Info{}, err
	}
	defer d.close()
	return d.stat(name)
}

// Entry is what a directory holds.
type Entry struct {
	Name string
	// Type has the type bits alone.
	Type fs.FileMode
}

// List lists a directory by its path below the root, in no order.
func (s *Store) List(rel string) ([]Entry, error) {
	d, err := s.root.open(rel)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.entries()
}

func (d *dir) entries() (out []Entry, err error) {
	err = d.each(func(name string, typ fs.FileMode) error {
		out = append(out, Entry{name, typ})
		return nil
	})
	return out, err
}

func split(rel string) (parent, name string) {
	for i := len(rel) - 1; i >= 0; i-- {
		if rel[i] == '/' {
			return rel[:i], rel[i+1:]
		}
	}
	return "", rel
}

// absent tells that something is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Each runs f for every i below n on that many goroutines and returns the first
// error, after which none begins.
func Each(workers, n int, f func(i int) error) error {
	workers = max(1, min(workers, n))
	if workers == 1 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		mu    sync.Mutex
		next  int
		first error
		wg    sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := first != nil || i >= n
				mu.Unlock()
				if stop {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
