package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// RestoreOptions say what is brought back.
type RestoreOptions struct {
	// Match chooses repositories; nil: all, and then what was there is replaced whole.
	Match func(repository string) bool
	// Damaged goes on although the store lacks blobs of the snapshot.
	Damaged  bool
	Command  string
	Workers  int
	Progress func(Progress)
	// step is for tests, as in Options.
	step func(what string) error
}

// Restored is what was brought back.
type Restored struct {
	Snapshot     string    `json:"snapshot" doc:"its ID"`
	Time         time.Time `json:"time" doc:"when the backup was made"`
	Repositories int       `json:"repositories" doc:"how many were brought back"`
	Tags         int       `json:"tags" doc:"how many were brought back"`
	Blobs        int64     `json:"blobs" doc:"how many were brought back, each compared with its digest"`
	Bytes        int64     `json:"bytes" doc:"of blobs"`
	// Before is where what was there lies now, relative to the root; empty if there
	// was nothing.
	Before   string    `json:"before" doc:"directory with what was there before, relative to the storage's root; empty: nothing"`
	Problems []Problem `json:"problems" doc:"what needs a person"`
}

// Where a restore is prepared, below the root: on the same file system as what it
// replaces, so that a rename puts it in its place, and in one volume, so that no
// container has to be made anew.
const (
	stageDir     = storage.StateDir + "/restore"
	readyName    = stageDir + "/ready.json"
	beforePrefix = storage.StateDir + "/before-restore-"
	liveDir      = "docker"
)

// The errors of a restore.
var (
	// ErrIncomplete says that the store lacks blobs of the snapshot.
	ErrIncomplete = errors.New("the backup is damaged")
	// ErrSpace says that there is no room for what is to come.
	ErrSpace = errors.New("not enough room")
	// ErrNothingMatches says that no repository of a snapshot was chosen.
	ErrNothingMatches = errors.New("the snapshot has no such repository")
	// ErrNotReady says that nothing was prepared.
	ErrNotReady = errors.New("no restore is prepared")
)

// ready says what was prepared.
type ready struct {
	Restored
	Partial   bool   `json:"partial"`
	BeforeDir string `json:"before_dir"`
	// Inode is that of the new docker/.
	Inode uint64 `json:"inode"`
}

// HasData tells whether a storage directory has content.
func HasData(root string) (bool, error) {
	for _, dir := range []string{"blobs/sha256", "blobs/sha512", "repositories"} {
		f, err := os.Open(filepath.Join(root, "docker/registry/v2", dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		names, err := f.Readdirnames(1)
		f.Close()
		if len(names) > 0 {
			return true, nil
		}
		if err != io.EOF {
			return false, err
		}
	}
	return false, nil
}

// source is what a restore reads: a store, or an archive.
type source interface {
	listing(ctx context.Context, id, name string, to listingReader) error
	// eachBlob gives each needed blob's bytes, decrypted and not compared with
	// anything, maybe on several goroutines. What fails is told by lost; an error of
	// place ends it.
	eachBlob(ctx context.Context, need *blobSet, workers int, place func(d storage.Digest, size int64, r io.Reader) error,
		lost func(d storage.Digest, id string, err error)) error
}

// Stage prepares a restore below root, which may be a directory that does not
// exist, and touches nothing of what is there. Every blob is compared with its
// digest. Then [Swap] puts it in place, at once. What an earlier Stage left is
// removed.
func (s *Store) Stage(ctx context.Context, snap *Snapshot, root string, opts RestoreOptions) (*Restored, error) {
	return stage(ctx, s, snap, root, opts)
}

func stage(ctx context.Context, src source, snap *Snapshot, root string, opts RestoreOptions) (_ *Restored, err error) {
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	if opts.step == nil {
		opts.step = func(string) error { return nil }
	}
	if err := durable.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	held, err := lockStorage(ctx, root, opts.Command)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Release()) }()
	if err := clearStage(root); err != nil {
		return nil, err
	}
	st := &staging{src: src, opts: opts, out: &Restored{Snapshot: snap.ID, Time: snap.Time, Problems: []Problem{}}}
	if st.root, err = os.OpenRoot(root); err != nil {
		return nil, err
	}
	defer st.root.Close()
	if st.top, err = st.root.Open("."); err != nil {
		return nil, err
	}
	defer st.top.Close()
	st.sync = !syncsTogether(st.top)
	defer func() {
		if err != nil && !errors.Is(err, errStep) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(root, stageDir)))
		}
	}()
	if err := st.do(ctx, snap); err != nil {
		return st.out, err
	}
	return st.out, nil
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
