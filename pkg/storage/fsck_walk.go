package storage

import (
	"context"
	"io/fs"
	"os"
	"sync"
)

// Node is a directory that a walk has come to.
type Node struct {
	// Path is relative to the root of the storage.
	Path string
	// Info is the directory's own.
	Info Info
	// Entries are in no order.
	Entries []Entry
	d       *dir
}

// Lstat looks at an entry.
func (n *Node) Lstat(name string) (Info, error) { return n.d.stat(name) }

// Inode is the file's number: on most file systems what was written together has
// numbers that are close.
func (i Info) Inode() uint64 { return i.inode }

// Walk visits a directory and those below it, on several goroutines at once and in
// no order. visit returns the names of the directories in it that are to be visited
// too. failed is told of those that cannot be read, one at a time; what is gone by
// the time it is come to is left out.
func (s *Store) Walk(ctx context.Context, rel string, workers int, visit func(*Node) (below []string), failed func(path string, err error)) error {
	w := &walk{s: s, visit: visit, failed: failed, todo: []string{rel}, open: 1}
	w.more.L = &w.mu
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open = 0
		w.more.Broadcast()
	})
	defer stop()
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(w.work)
	}
	wg.Wait()
	return ctx.Err()
}

type walk struct {
	s      *Store
	visit  func(*Node) []string
	failed func(string, error)

	mu   sync.Mutex
	more sync.Cond
	todo []string
	open int // directories that were not visited to their end; 0 ends the walk
}

func (w *walk) work() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.todo) == 0 && w.open > 0 {
			w.more.Wait()
		}
		if w.open <= 0 {
			return
		}
		// From the end: depth first, so that the list stays short.
		rel := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.mu.Unlock()
		below, err := w.look(rel)
		w.mu.Lock()
		if err != nil && !absent(err) {
			w.failed(rel, err)
		}
		if w.open <= 0 {
			return
		}
		for _, name := range below {
			w.todo = append(w.todo, rel+"/"+name)
		}
		if w.open += len(below) - 1; w.open == 0 || len(below) > 0 {
			w.more.Broadcast()
		}
	}
}

func (w *walk) look(rel string) ([]string, error) {
	d, err := w.s.root.open(rel)
	if err != nil {
		return nil, err
	}
	defer d.close()
	n := &Node{Path: rel, d: d}
	if n.Info, err = d.self(); err != nil {
		return nil, err
	}
	err = d.each(func(name string, typ fs.FileMode) error {
		n.Entries = append(n.Entries, Entry{name, typ})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w.visit(n), nil
}

// self looks at the directory itself.
func (d *dir) self() (Info, error) { return d.stat(".") }

// OpenFile opens a regular file by its path below the root, following no symbolic
// link.
func (s *Store) OpenFile(rel string) (*os.File, Info, error) { return s.root.openFile(rel) }
