package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/storage"
)

// Options of a backup.
type Options struct {
	// Project, Versions and Config are told in the snapshot.
	Project  string
	Versions map[string]string
	Config   []ConfigFile
	// Command is what locks tell whoever meets them.
	Command string
	// AllowEmpty makes a backup of a directory that has no registry's content.
	AllowEmpty bool
	// DryRun reads and counts, and writes nothing, nor takes a lock.
	DryRun bool
	// Workers is how many blobs are copied at once; 0: chosen.
	Workers int
	// Progress, which may be nil, is called from one goroutine at a time.
	Progress func(Progress)
	// Now is the clock, time.Now if nil.
	Now func() time.Time

	// step is for tests: called before each change of the store with what comes; an
	// error ends the run as a kill would.
	step func(what string) error
}

// Result is what a backup did.
type Result struct {
	DryRun       bool      `json:"dry_run" doc:"nothing was written"`
	Snapshot     string    `json:"snapshot" doc:"its ID; empty with --dry-run"`
	Repositories int       `json:"repositories" doc:"how many are in it"`
	Tags         int       `json:"tags" doc:"how many are in it"`
	Blobs        Count     `json:"blobs" doc:"manifests too"`
	Bytes        Count     `json:"bytes" doc:"of blobs, not encrypted"`
	DurationMS   int64     `json:"duration_ms" doc:"how long it took, in milliseconds"`
	Dropped      []Dropped `json:"dropped" doc:"tags that were deleted meanwhile and are not in it"`
	Problems     []Problem `json:"problems" doc:"what needs a person"`
}

// Count is of all and of what was new to the store.
type Count struct {
	Total int64 `json:"total" doc:"in the snapshot"`
	New   int64 `json:"new" doc:"that the store did not have"`
}

// run is a backup under way.
type run struct {
	*Store
	source *storage.Store
	opts   Options
	id     string
	sums   sums
	result *Result

	need    *blobSet // what the links need, with its size; -1: not there
	missing []storage.Digest
	links   int
	mu      sync.Mutex
}

// Create makes a backup of the storage directory at root. The result counts also
// beside an error, as far as it came. A lock in the storage directory that
// another holds is a [*lock.HeldError], one in the store a [*BusyError].
func (s *Store) Create(ctx context.Context, root string, opts Options) (res *Result, err error) {
	began := time.Now()
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	if opts.step == nil {
		opts.step = func(string) error { return nil }
	}
	r := &run{Store: s, opts: opts, sums: sums{}, need: newBlobSet(),
		result: &Result{DryRun: opts.DryRun, Dropped: []Dropped{}, Problems: []Problem{}}}
	defer func() {
		r.result.DurationMS = time.Since(began).Milliseconds()
		slices.SortFunc(r.result.Problems, func(a, b Problem) int { return strings.Compare(a.Repository+a.Path+a.ID, b.Repository+b.Path+b.ID) })
	}()
	r.source, err = storage.Open(root)
	if errors.Is(err, storage.ErrNoStorage) && opts.AllowEmpty {
		err = nil
	} else if err != nil {
		return r.result, err
	} else {
		defer r.source.Close()
	}
	var check func(context.Context) error
	if !opts.DryRun {
		held, err := lockStorage(ctx, root, opts.Command)
		if err != nil {
			return r.result, err
		}
		defer func() { err = errors.Join(err, held.Release()) }()
		locked, l, err := s.Locked(ctx, false, opts.Command)
		if err != nil {
			return r.result, err
		}
		defer func() { _ = l.Release() }() // what stays is nobody's lock soon
		ctx, check = locked, l.Check
	}
	if err := r.do(ctx, check); err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			err = cause
		}
		// What is copied is good, and the next run need not copy it again.
		if !opts.DryRun && !errors.Is(err, errStep) {
			_ = s.Flush(context.WithoutCancel(ctx))
		}
		return r.result, err
	}
	return r.result, nil
}

// errStep ends a run in a test.
var errStep = errors.New("killed")

func lockStorage(ctx context.Context, root, command string) (*lock.Lock, error) {
	dir := root + "/" + storage.StateDir
	fi, err := os.Lstat(dir)
	if err == nil && !fi.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errors.New("is not a directory")}
	}
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return lock.Acquire(ctx, dir+"/lock", command, 0)
}

func (r *run) do(ctx context.Context, check func(context.Context) error) error {
	now := r.opts.Now().UTC()
	var random [4]byte
	rand.Read(random[:])
	r.id = now.Format("20060102T150405Z") + "-" + hex.EncodeToString(random[:])
	present, err := r.present(ctx)
	if err != nil {
		return err
	}
	listing := r.begin(ctx, listingName)
	err = r.scan(ctx, listing)
	if err := listing.end(err); err != nil {
		return err
	}
	owner, err := r.sizes(ctx)
	if err != nil {
		return err
	}
	if err := r.copy(ctx, present); err != nil {
		return err
	}
	if r.opts.DryRun {
		return nil
	}
	if err := r.opts.step("flush blobs"); err != nil {
		return err
	}
	if err := r.Flush(ctx); err != nil {
		return err
	}
	if err := r.putBlobs(ctx, owner); err != nil {
		return err
	}
	if err := r.putConfig(ctx); err != nil {
		return err
	}
	return r.finish(ctx, now, check)
}

// scan reads all repositories.
func (r *run) scan(ctx context.Context, to *partWriter) error {
	if r.source == nil {
		return nil
	}
	names, unknown, err := r.source.Repositories(ctx)
	if err != nil {
		return err
	}
	for _, p := range unknown {
		if !storage.Temporary(lastPart(p.Path)) {
			r.result.Problems = append(r.result.Problems, p)
		}
	}
	done := int64(0)
	return storage.Each(2*runtime.GOMAXPROCS(0), len(names), func(i int) error {
		got, gone, err := scan(ctx, r.source, names[i])
		if err != nil {
			return err
		}
		var text []byte
		if !gone {
			text = repositoryLine(got.name, got.owner)
			for _, e := range got.links {
				text = e.append(text)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		done++
		r.opts.Progress(Progress{Phase: PhaseScan, Done: done, Total: int64(len(names))})
		if gone {
			return nil
		}
		to.write(text)
		r.links += len(got.links)
		for _, d := range got.blobs {
			r.need.put(d, -1)
		}
		r.result.Repositories++
		r.result.Tags += got.tags
		r.result.Problems = append(r.result.Problems, got.problems...)
		r.result.Dropped = append(r.result.Dropped, got.dropped...)
		return to.err
	})
}

// sizes looks which of the needed blobs are there, and whose they are.
func (r *run) sizes(ctx context.Context) (owner Ownership, err error) {
	owner = Ownership{0, 0, 0o644, 0o755}
	if r.source == nil {
		return owner, nil
	}
	var first sync.Once
	err = r.source.Blobs(ctx, 2*runtime.GOMAXPROCS(0), func(b storage.Blob) error {
		if !b.Info.Mode.IsRegular() {
			return nil
		}
		first.Do(func() {
			owner.UID, owner.GID, owner.Files = b.Info.UID, b.Info.GID, b.Info.Mode.Perm()
			owner.Dirs = owner.Files | owner.Files>>2&0o111
		})
		// A directory of blobs is walked by one goroutine, which has its part of the set
		// to itself.
		if _, needed := r.need.get(b.Digest); needed {
			r.need.put(b.Digest, b.Info.Size)
		}
		return nil
	}, nil)
	return owner, err
}

// finish writes the summary and the sums, which make a snapshot of it all.
func (r *run) finish(ctx context.Context, now time.Time, check func(context.Context) error) error {
	summary := Snapshot{Format: Format, ID: r.id, Time: now.Truncate(time.Microsecond), Host: r.hostname(), Project: r.opts.Project, Versions: r.opts.Versions,
		Repositories: r.result.Repositories, Tags: r.result.Tags, Links: r.links,
		Blobs: int(r.result.Blobs.Total), Bytes: r.result.Bytes.Total, Missing: len(r.missing), Config: len(r.opts.Config) > 0}
	text, err := json.MarshalIndent(summary, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	r.sums[summaryName] = hexSum(text)
	for _, o := range []struct {
		name string
		data []byte
	}{{summaryName, text}, {sumsName, nil}} {
		if err := r.opts.step(o.name); err != nil {
			return err
		}
		if o.name == sumsName {
			// Whoever broke the lock may have removed what this needs.
			if err := check(ctx); err != nil {
				return err
			}
			o.data = r.sums.text()
		}
		if err := r.Put(ctx, r.snapshotName(r.id, o.name), int64(len(o.data)), bytes.NewReader(o.data)); err != nil {
			return err
		}
		if err := r.opts.step("flush " + o.name); err != nil {
			return err
		}
		if err := r.Flush(ctx); err != nil {
			return err
		}
	}
	r.result.Snapshot = r.id
	return nil
}
