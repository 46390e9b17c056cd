package backup

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/regctl/regctl/pkg/storage"
)

// copy copies the blobs that the store does not have.
func (r *run) copy(ctx context.Context, present *blobSet) error {
	var all, count int64
	for d, size := range r.need.all() {
		object, stored := present.get(d)
		switch {
		case size < 0 && stored:
			r.problem(BlobMissing, d, "the registry does not have the blob; the backup has it from before")
			plain, ok := r.plainSize(object)
			if !ok {
				r.missing = append(r.missing, d)
				continue
			}
			size = plain
			r.need.put(d, size) // of one that is in the set: allowed while it is walked
		case size < 0:
			r.problem(BlobMissing, d, "the registry does not have the blob")
			r.missing = append(r.missing, d)
			continue
		case !stored || !r.sizeFits(object, size):
			count++
			all += size
			continue
		}
		r.result.Blobs.Total++
		r.result.Bytes.Total += size
	}
	if count == 0 {
		return nil
	}
	workers := r.opts.Workers
	if workers == 0 {
		workers = max(4, runtime.GOMAXPROCS(0))
	}
	var bytes atomic.Int64
	var done int64
	tell := func() { // under mu
		r.opts.Progress(Progress{PhaseCopy, done, count, bytes.Load(), all})
	}
	read := func(n int) {
		if bytes.Add(int64(n))>>24 != (bytes.Load()-int64(n))>>24 && r.mu.TryLock() { // large ones move, too
			tell()
			r.mu.Unlock()
		}
	}
	wanted := func(d storage.Digest, size int64) bool {
		object, stored := present.get(d)
		return size >= 0 && (!stored || !r.sizeFits(object, size))
	}
	return eachSorted(ctx, r.need, workers, wanted, func(d storage.Digest, size int64) error {
		bad := error(nil)
		if !r.opts.DryRun {
			if err := r.opts.step("blob"); err != nil {
				return err
			}
			var err error
			if bad, err = r.copyBlob(ctx, d, size, read); err != nil {
				return err
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		done++
		tell()
		if bad != nil {
			r.problem(BlobCorrupt, d, bad.Error())
			r.missing = append(r.missing, d)
			return nil
		}
		r.result.Blobs.Total++
		r.result.Blobs.New++
		r.result.Bytes.Total += size
		r.result.Bytes.New += size
		return nil
	})
}

// plainSize is the size of a blob by that of its object, where that tells.
func (r *run) plainSize(object int64) (int64, bool) { return object, !r.head.Encrypted }

func (r *run) problem(id string, d storage.Digest, message string) {
	r.result.Problems = append(r.result.Problems, Problem{ID: id, Digest: d, Path: storage.BlobPath(d), Message: message})
}

// copyBlob copies one blob. bad is what is wrong with the source's, err with the
// target.
func (r *run) copyBlob(ctx context.Context, d storage.Digest, size int64, read func(int)) (bad, err error) {
	f, info, err := r.source.OpenBlob(d)
	if err != nil {
		return err, nil
	}
	defer f.Close()
	if info.Size != size {
		size = info.Size
	}
	v := newVerified(f, d, size, read)
	err = r.putSealed(ctx, r.blobName(d), size, v)
	if v.err != nil {
		return v.err, nil
	}
	return nil, err
}
