// Package tail keeps the end of what a program says, which is where it says why it
// failed.
package tail

import "sync"

// Writer keeps the last Most bytes that are written to it. Several may write at once.
type Writer struct {
	Most int

	mu   sync.Mutex
	kept []byte
}

// Write never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	p = p[max(0, n-w.Most):]
	if over := len(w.kept) + len(p) - w.Most; over > 0 {
		w.kept = append(w.kept[:0], w.kept[over:]...)
	}
	w.kept = append(w.kept, p...)
	return n, nil
}

// String is what was kept, as it was written.
func (w *Writer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.kept)
}
