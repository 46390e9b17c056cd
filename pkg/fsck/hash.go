package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/regctl/regctl/pkg/storage"
)

const (
	// chunk is what is read at a time: it stays in the processor's cache until it is
	// hashed.
	chunk = 256 << 10
	// ahead is how many blobs ahead the disk is told of what will be read, and of
	// how much of each: the kernel reads further on itself.
	ahead     = 16
	aheadMost = 1 << 20
)

// hasher reads blobs and compares them with their digests.
type hasher struct {
	store   *storage.Store
	limit   *rate.Limiter // nil: none
	buffers sync.Pool
	fault   func(storage.Digest) error // of Options
}

func newHasher(s *storage.Store, o Options) *hasher {
	h := &hasher{store: s, fault: o.fault}
	h.buffers.New = func() any { return new([chunk]byte) }
	if o.Rate > 0 {
		h.limit = rate.NewLimiter(rate.Limit(o.Rate), chunk)
	}
	return h
}

// why tells what is wrong with a blob, in a sentence's predicate; empty when it
// matches its digest. gone is true when it is not there (any more).
func (h *hasher) why(ctx context.Context, d storage.Digest) (bad string, gone bool, n int64, err error) {
	f, _, err := h.store.OpenBlob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return "", true, 0, nil
	}
	if err != nil {
		return "cannot be read: " + reason(err), false, 0, nil
	}
	defer f.Close()
	sequential(f)
	sum, n, err := h.sum(ctx, d.Algorithm(), f)
	if h.fault != nil && err == nil {
		err = h.fault(d)
	}
	switch {
	case ctx.Err() != nil:
		return "", false, n, ctx.Err()
	case err != nil:
		return fmt.Sprintf("cannot be read after %d bytes: %s", n, reason(err)), false, n, nil
	case sum != d:
		return fmt.Sprintf("has %d bytes that do not match its digest", n), false, n, nil
	}
	return "", false, n, nil
}

// reason is an error without the path, which is told beside it.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

func (h *hasher) sum(ctx context.Context, alg storage.Algorithm, r io.Reader) (storage.Digest, int64, error) {
	buf := h.buffers.Get().(*[chunk]byte)
	defer h.buffers.Put(buf)
	sum, n := alg.New(), int64(0)
	for {
		m, err := r.Read(buf[:])
		sum.Write(buf[:m])
		n += int64(m)
		if err == io.EOF {
			return alg.Sum(sum), n, nil
		}
		if err != nil {
			return storage.Digest{}, n, err
		}
		if h.limit != nil {
			err = h.limit.WaitN(ctx, m)
		} else {
			err = ctx.Err()
		}
		if err != nil {
			return storage.Digest{}, n, err
		}
	}
}

// hash reads the blobs of the slice.
func (c *check) hash(ctx context.Context) error {
	var todo []int32
	var total int64
	for i, b := range c.blobs {
		if c.opts.Slice.Has(b.digest) {
			todo = append(todo, int32(i))
			total += b.size
		}
	}
	h := c.hasher
	workers := c.opts.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	done, bytes, shown := int64(0), int64(0), time.Time{}
	err := storage.Each(workers, len(todo), func(i int) error {
		if next := i + ahead; next < len(todo) && h.limit == nil {
			h.announce(c.blobs[todo[next]].digest)
		}
		at := todo[i]
		bad, gone, n, err := h.why(ctx, c.blobs[at].digest)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case gone:
		case bad != "":
			c.bad[at] = bad
		default:
			c.hashed[at] = true
		}
		done++
		bytes += n
		if now := time.Now(); now.Sub(shown) > 200*time.Millisecond || done == int64(len(todo)) {
			shown = now
			c.progress(Progress{PhaseHash, done, int64(len(todo)), bytes, total})
		}
		return nil
	})
	c.report.Checked.Hashed, c.report.Checked.HashedBytes = int(done), bytes
	if err != nil || len(c.bad) == 0 {
		return err
	}
	return c.hashAgain(ctx, h)
}

// hashAgain reads once more what did not match: registry 2 writes manifests in
// place, so that one can be seen half written, and the bad one may have been
// replaced meanwhile.
func (c *check) hashAgain(ctx context.Context, h *hasher) error {
	for at := range c.bad {
		d := c.blobs[at].digest
		if err := c.settle(ctx, c.changed(storage.BlobPath(d)+"/data")); err != nil {
			return err
		}
		bad, gone, _, err := h.why(ctx, d)
		if err != nil {
			return err
		}
		switch {
		case gone:
			delete(c.bad, at)
		case bad == "":
			delete(c.bad, at)
			c.hashed[at] = true
		default:
			c.bad[at] = bad
		}
	}
	return nil
}

// settle waits until something that changed then counts as being at rest.
func (c *check) settle(ctx context.Context, changed time.Time) error {
	wait := min(c.opts.Settle-time.Since(changed), c.opts.Settle)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// announce has the disk begin to read a blob.
func (h *hasher) announce(d storage.Digest) {
	f, info, err := h.store.OpenBlob(d)
	if err != nil {
		return
	}
	willNeed(f, min(info.Size, aheadMost))
	f.Close()
}
