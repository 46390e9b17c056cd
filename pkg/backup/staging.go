package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// source is what a restore reads: a store, or an archive.
type source interface {
	listing(ctx context.Context, id, name string, to listingReader) error
	// eachBlob gives each needed blob's bytes, decrypted and not compared with
	// anything, maybe on several goroutines. What fails is told by lost; an error of
	// place ends it.
	eachBlob(ctx context.Context, need *blobSet, workers int, place func(d storage.Digest, size int64, r io.Reader) error,
		lost func(d storage.Digest, id string, err error)) error
}

// staging is a restore that is being prepared.
type staging struct {
	src  source
	opts RestoreOptions
	root *os.Root
	top  *os.File // the same directory
	out  *Restored

	sync bool // flush each file, see [syncsTogether]

	mu    sync.Mutex
	idle  []*trail
	owner Ownership // of blobs
}

func (st *staging) do(ctx context.Context, snap *Snapshot) error {
	need, err := st.needed(ctx, snap)
	if err != nil {
		return err
	}
	if err := st.room(need); err != nil {
		return err
	}
	if err := st.build(ctx, snap, need); err != nil {
		return errors.Join(err, st.retire())
	}
	if err := st.flush(); err != nil {
		return err
	}
	m := mover{root: st.root.Name()}
	text, err := json.MarshalIndent(ready{*st.out, st.opts.Match != nil,
		beforePrefix + time.Now().UTC().Format("20060102T150405.000Z"), m.inode(stageDir + "/" + liveDir)}, "", "  ")
	if err != nil {
		return err
	}
	if err := st.opts.step("ready"); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(st.root.Name(), readyName), text, 0o600)
}

// build writes all that is to be swapped in.
func (st *staging) build(ctx context.Context, snap *Snapshot, need *blobSet) error {
	for _, dir := range []string{"blobs", "repositories"} {
		err := st.with(func(t *trail) error { return t.to(stageDir+"/docker/registry/v2/"+dir, st.owner) })
		if err != nil {
			return err
		}
	}
	if err := st.blobs(ctx, need); err != nil {
		return err
	}
	if err := st.opts.step("links"); err != nil {
		return err
	}
	return st.links(ctx, snap)
}

// with lends a trail, of which there are as many as goroutines at work.
func (st *staging) with(f func(*trail) error) (err error) {
	st.mu.Lock()
	var t *trail
	if n := len(st.idle); n > 0 {
		t, st.idle = st.idle[n-1], st.idle[:n-1]
	}
	st.mu.Unlock()
	if t == nil {
		if t, err = newTrail(st.root, st.sync); err != nil {
			return err
		}
	}
	err = f(t)
	st.mu.Lock()
	st.idle = append(st.idle, t)
	st.mu.Unlock()
	return err
}

// retire ends the trails.
func (st *staging) retire() (err error) {
	for _, t := range st.idle {
		err = errors.Join(err, t.close())
	}
	st.idle = nil
	return err
}

// flush makes last what was built.
func (st *staging) flush() error {
	if err := st.retire(); err != nil || st.sync {
		return err
	}
	return syncfs(st.top)
}

// needed lists the blobs to be brought back.
func (st *staging) needed(ctx context.Context, snap *Snapshot) (*blobSet, error) {
	all, need := newBlobSet(), newBlobSet()
	var missing []storage.Digest
	err := st.src.listing(ctx, snap.ID, blobsName, listingReader{
		blobs:   func(o Ownership) error { st.owner = o; return nil },
		blob:    func(d storage.Digest, size int64) error { all.put(d, size); return nil },
		missing: func(d storage.Digest) error { missing = append(missing, d); return nil },
	})
	if err != nil {
		return nil, err
	}
	want := func(storage.Digest) bool { return true }
	if match := st.opts.Match; match == nil {
		need = all
	} else {
		chosen := newBlobSet()
		found := false
		err := st.src.listing(ctx, snap.ID, listingName, listingReader{
			repository: func(name string, _ Ownership) error { found = found || match(name); return nil },
			link: func(repository string, e entry) error {
				if match(repository) && (e.kind == layerLink || e.kind == revisionLink) {
					chosen.put(e.target, 0)
				}
				return nil
			},
		})
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, ErrNothingMatches
		}
		for d := range chosen.all() {
			if size, ok := all.get(d); ok {
				need.put(d, size)
			}
		}
		want = func(d storage.Digest) bool { _, ok := chosen.get(d); return ok }
	}
	for _, d := range missing {
		if want(d) {
			st.problem(BlobMissing, d, "was missing or damaged when the backup was made")
		}
	}
	return need, nil
}

func (st *staging) problem(id string, d storage.Digest, message string) {
	st.out.Problems = append(st.out.Problems, Problem{ID: id, Digest: d, Path: storage.BlobPath(d), Message: message})
}

// room compares what is needed with what is free.
func (st *staging) room(need *blobSet) error {
	var bytes int64
	for _, size := range need.all() {
		bytes += (size + 4095) &^ 4095
	}
	var fsInfo unix.Statfs_t
	if err := unix.Statfs(st.root.Name(), &fsInfo); err != nil {
		return err
	}
	if free := int64(fsInfo.Bavail) * int64(fsInfo.Bsize); bytes > free {
		return fmt.Errorf("%w: %s has %d bytes free, and %d are to come (what is there stays until it is replaced)", ErrSpace, st.root.Name(), free, bytes)
	}
	return nil
}

// blobs brings them back.
func (st *staging) blobs(ctx context.Context, need *blobSet) error {
	workers := st.opts.Workers
	if workers == 0 {
		workers = max(4, runtime.GOMAXPROCS(0))
	}
	var total, done, bytes atomic.Int64
	for _, size := range need.all() {
		total.Add(size)
	}
	lost := 0
	bad := func(d storage.Digest, id string, err error) {
		st.mu.Lock()
		defer st.mu.Unlock()
		lost++
		st.problem(id, d, err.Error())
	}
	err := st.src.eachBlob(ctx, need, workers, func(d storage.Digest, size int64, r io.Reader) error {
		if err := st.opts.step("blob"); err != nil {
			return err
		}
		v := newVerified(r, d, size, func(int) {})
		err := st.with(func(t *trail) error {
			if err := t.to(stageDir+"/"+storage.BlobPath(d), st.owner); err != nil {
				return err
			}
			return t.file("data", v, size, st.owner, time.Time{})
		})
		if v.err != nil {
			id := ObjectCorrupt
			if !errors.Is(v.err, errDigest) {
				id = ObjectSize
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if away(v.err) {
				return v.err
			}
			bad(d, id, v.err)
			return nil
		}
		if err != nil {
			return err
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		st.opts.Progress(Progress{PhaseRestore, done.Add(1), int64(need.len()), bytes.Add(size), total.Load()})
		return nil
	}, bad)
	if err != nil {
		return err
	}
	st.out.Blobs, st.out.Bytes = done.Load(), bytes.Load()
	if lost > 0 && !st.opts.Damaged {
		return fmt.Errorf("%w: %d of %d blobs cannot be brought back, first %s", ErrIncomplete, lost, need.len(), st.out.Problems[len(st.out.Problems)-1].Digest)
	}
	return nil
}
