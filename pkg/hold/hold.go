// Package hold makes the front door hold back writes for a moment.
//
// While a small file lies on the data volume, PUT of a manifest and every DELETE
// wait at Nginx (templates/stack/nginx/js/front.js), and reads and uploads of
// blobs go on. A garbage collection needs that for the second in which it looks
// a last time at what is referenced: an error would fail the user's push, which
// no client tries again, while a wait is only a wait.
//
// The file's age is all that Nginx looks at: a hold that is not renewed for
// [MaxAge] is over, so one whose owner died ends by itself.
package hold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// Path is the hold file, relative to the root of the data volume (the directory
// that holds docker/registry/v2).
const Path = ".regctl/hold"

const (
	// MaxAge is how long a hold counts after it was last renewed. The scripts of
	// the front door have the same figure.
	MaxAge = 60 * time.Second
	// Renew is how often a holder has to renew.
	Renew = MaxAge / 6
)

// Hold is a hold in force.
type Hold struct {
	path    string
	stop    context.CancelFunc
	done    chan error
	release func() error
}

// Take begins a hold on the volume at root and renews it until Release. Text is
// for a person who finds the file; it must not carry secrets. The caller has the
// volume's lock, so that a hold which is there already is that of a run which was
// killed: it is taken over.
//
// From when Take returns, the front door lets no new write through. Those it let
// through before may still be under way.
func Take(root, text string) (*Hold, error) {
	path := filepath.Join(root, filepath.FromSlash(Path))
	if err := durable.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		os.Remove(path) // it may be there all the same, and not last
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h := &Hold{path: path, stop: stop, done: make(chan error, 1)}
	h.release = sync.OnceValue(h.end)
	go func() { h.done <- h.renew(ctx) }()
	return h, nil
}

func (h *Hold) renew(ctx context.Context) error {
	tick := time.NewTicker(Renew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now()
			if err := os.Chtimes(h.path, now, now); err != nil {
				return fmt.Errorf("renewing the hold on writes: %w", err)
			}
		}
	}
}

// Release ends the hold. An error from an earlier renewal means that writes may
// have gone through meanwhile. Again it does nothing and returns the same: the
// file may be another one's by then.
func (h *Hold) Release() error { return h.release() }

func (h *Hold) end() error {
	h.stop()
	renewed := <-h.done
	return errors.Join(renewed, remove(h.path))
}

// Clear ends a hold that a killed run has left: nobody has to wait until it is too
// old to count. The caller has the volume's lock, and no hold of its own.
func Clear(root string) error {
	path := filepath.Join(root, filepath.FromSlash(Path))
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return remove(path)
}

func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, durable.SyncDir(filepath.Dir(path)))
}
