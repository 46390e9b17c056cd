package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/regctl/regctl/pkg/storage"
)

// partWriter writes one of a snapshot's listings: packed, encrypted if the store
// is, and summed as it is stored.
type partWriter struct {
	r    *run
	name string
	zip  *gzip.Writer
	out  *bufio.Writer // what gzip gives is a few hundred bytes at a time
	in   *io.PipeWriter
	sum  hash.Hash
	done chan error
	err  error
}

// begin begins one. Without a snapshot to be written it goes nowhere.
func (r *run) begin(ctx context.Context, name string) *partWriter {
	w := &partWriter{r: r, name: name}
	if r.opts.DryRun {
		return w
	}
	if w.err = r.opts.step(name); w.err != nil {
		return w
	}
	sealed := r.head.Encrypted && name != blobsName
	if sealed {
		w.name += sealedSuffix
	}
	w.sum, w.done = sha256.New(), make(chan error, 1)
	out, in := io.Pipe()
	w.in = in
	go func() {
		src := io.ReadCloser(out)
		if sealed {
			src = r.keys.seal(out)
		}
		err := r.Put(ctx, r.snapshotName(r.id, w.name), -1, io.TeeReader(src, w.sum))
		if err != nil {
			out.CloseWithError(err) // whoever writes gets it
		}
		src.Close()
		w.done <- err
	}()
	w.out = bufio.NewWriterSize(in, copyBuffer)
	w.zip, _ = gzip.NewWriterLevel(w.out, gzip.BestSpeed)
	w.write(fmt.Appendf(nil, "%s %d\n", listingTitle, Format))
	return w
}

func (w *partWriter) write(line []byte) {
	if w.err == nil && w.zip != nil {
		_, w.err = w.zip.Write(line)
	}
}

// end finishes it, or gives it up if there was an error.
func (w *partWriter) end(err error) error {
	if w.zip == nil {
		return errors.Join(err, w.err)
	}
	if err == nil {
		w.write([]byte("end\n"))
		err = w.err
	}
	if err == nil {
		err = w.zip.Close()
	}
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil {
		w.in.CloseWithError(err)
		if put := <-w.done; put != nil {
			err = put
		}
		return err
	}
	w.in.Close()
	if err := <-w.done; err != nil {
		return err
	}
	w.r.sums[w.name] = hex.EncodeToString(w.sum.Sum(nil))
	return nil
}

// putBlobs writes the list of blobs.
func (r *run) putBlobs(ctx context.Context, o Ownership) error {
	w := r.begin(ctx, blobsName)
	w.write(fmt.Appendf(nil, "blobs %d %d %04o %04o\n", o.UID, o.GID, o.Files, o.Dirs))
	for _, d := range r.missing {
		r.need.remove(d)
		w.write(fmt.Appendf(nil, "missing %s\n", d))
	}
	var line []byte
	for d, size := range r.need.all() {
		line = blobLine(line[:0], d, size)
		w.write(line)
	}
	return w.end(nil)
}

// verified hashes what is read and hides the end of what does not match: the last
// bytes come with an error in place of them, so that whoever copies fails.
type verified struct {
	r    io.Reader
	d    storage.Digest
	h    hash.Hash
	left int64
	read func(int)
	err  error // what is wrong with the source
}

func newVerified(r io.Reader, d storage.Digest, size int64, read func(int)) *verified {
	return &verified{r: r, d: d, h: d.Algorithm().New(), left: size, read: read}
}

func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.left == 0 {
		if v.h != nil { // empty from the start
			return 0, v.judge(io.EOF)
		}
		return 0, io.EOF
	}
	if int64(len(p)) > v.left {
		p = p[:v.left]
	}
	n, err := v.r.Read(p)
	v.h.Write(p[:n])
	v.left -= int64(n)
	v.read(n)
	if v.left == 0 {
		if err := v.judge(nil); err != nil {
			return 0, err
		}
		return n, nil
	}
	if err == io.EOF {
		err = errors.New("is cut off")
	}
	if err != nil {
		v.err = err
		return 0, err
	}
	return n, nil
}

var errDigest = errors.New("does not match its digest")

func (v *verified) judge(good error) error {
	if v.d.Algorithm().Sum(v.h) != v.d {
		v.err = errDigest
		return v.err
	}
	v.h = nil
	return good
}
