package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/minio/minio-go/v7"
)

// Limits of a connection to object storage.
const (
	// stallMost is how long no byte may pass on a connection that is at work.
	stallMost = 2 * time.Minute
	// retakes is how often in a row a read that broke off is taken up again
	// without a byte more.
	retakes = 5
)

// reading is an object that is being read. A connection that breaks off in the
// middle says nothing about the object: it is taken up again where it was, of the
// very same object.
type reading struct {
	ctx      context.Context
	b        *bucket
	name     string
	body     io.ReadCloser
	etag     string
	at, size int64
}

func (b *bucket) read(ctx context.Context, name string) (*reading, error) {
	r := &reading{ctx: ctx, b: b, name: name}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *reading) open() error {
	var o minio.GetObjectOptions
	if r.at > 0 {
		if err := errors.Join(o.SetRange(r.at, 0), o.SetMatchETag(r.etag)); err != nil {
			return err
		}
	}
	body, info, _, err := (&minio.Core{Client: r.b.client}).GetObject(r.ctx, r.b.name, r.b.prefix+r.name, o)
	if err != nil {
		return r.b.about(r.name, err)
	}
	if r.at == 0 {
		r.etag, r.size = info.ETag, info.Size
	} else if info.Size != r.size-r.at {
		body.Close()
		return fmt.Errorf("%w: %s: the rest from byte %d has %d bytes of %d", ErrUnreachable, r.b.at(r.name), r.at, info.Size, r.size-r.at)
	}
	r.body = body
	return nil
}

func (r *reading) Read(p []byte) (int, error) {
	for try := 0; ; try++ {
		var n int
		var err error
		if r.body == nil {
			err = r.open()
		}
		if err == nil {
			n, err = r.body.Read(p)
			r.at += int64(n)
		}
		switch {
		case n > 0:
			return n, nil // an error comes again
		case err == nil, err == io.EOF && r.at >= r.size:
			return n, err
		}
		r.drop()
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if try == retakes {
			return 0, r.b.about(r.name, fmt.Errorf("broke off at byte %d of %d: %w", r.at, r.size, err))
		}
		if try > 0 { // the first one at once
			select {
			case <-r.ctx.Done():
			case <-time.After(50 * time.Millisecond << try):
			}
		}
	}
}

func (r *reading) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

func (r *reading) Close() error {
	r.drop()
	return nil
}

// stalling is a connection that ends when nothing passes for a while. Whoever
// waits for an answer waits from the last byte that was sent.
type stalling struct {
	net.Conn
	most time.Duration
}

func (c stalling) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.most)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c stalling) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.most)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
