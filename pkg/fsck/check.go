package fsck

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// check is a check under way.
type check struct {
	store   *storage.Store
	opts    Options
	workers int
	began   time.Time
	report  *Report
	uid     int
	gid     int

	mu       sync.Mutex
	findings []*finding // of the walk
	names    []string   // of repositories
	blobs    []blob
	index    map[storage.Digest]int32
	referred []atomic.Bool    // by index
	hashed   map[int32]bool   // blobs that match their digest
	bad      map[int32]string // and those that do not: why
	hasher   *hasher
	aliases  map[[2]storage.Digest]bool // whether a blob has that other digest, too
	suspects []storage.Digest           // to be hashed in any case
	told     map[string]int             // findings of an ID that are
	more     map[string]int             // findings that are only counted, by ID
	again    bool                       // what was listed may be out of date
}

// Check checks the storage at dir.
func Check(ctx context.Context, dir string, o Options) (*Report, error) {
	s, err := storage.Open(dir)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return CheckStore(ctx, s, o)
}

// CheckStore checks an open storage. When ctx ends it returns its error and no
// report.
func CheckStore(ctx context.Context, s *storage.Store, o Options) (*Report, error) {
	c := newCheck(s, o)
	if err := c.walk(ctx); err != nil {
		return nil, err
	}
	if !c.opts.Fast {
		if err := c.hash(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.judge(ctx); err != nil {
		return nil, err
	}
	c.report.DurationMS = c.now().Sub(c.began).Milliseconds()
	return c.report, nil
}

func newCheck(s *storage.Store, o Options) *check {
	for of, value := range map[*time.Duration]time.Duration{&o.Uploads: DefaultUploads, &o.Temporary: DefaultTemporary, &o.Settle: DefaultSettle} {
		if *of == 0 {
			*of = value
		}
	}
	c := &check{store: s, opts: o, workers: o.Workers, hasher: newHasher(s, o), report: &Report{Fast: o.Fast, Slice: o.Slice.String()},
		hashed: map[int32]bool{}, aliases: map[[2]storage.Digest]bool{}, bad: map[int32]string{}, told: map[string]int{}, more: map[string]int{}}
	if c.workers == 0 {
		c.workers = 2 * runtime.GOMAXPROCS(0)
	}
	c.began = c.now()
	return c
}

func (c *check) now() time.Time {
	if c.opts.Now != nil {
		return c.opts.Now()
	}
	return time.Now()
}

// progress is called with the lock held.
func (c *check) progress(p Progress) {
	if c.opts.Progress != nil {
		c.opts.Progress(p)
	}
}

func (c *check) tell(f *finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A tree that was restored by another user has one of these for each file.
	if f.ID == Owner || f.ID == Mode {
		if c.told[f.ID]++; c.told[f.ID] > mostOthers {
			c.more[f.ID]++
			return
		}
	}
	c.findings = append(c.findings, f)
}
