package gc

import (
	"context"
	"time"

	"github.com/regctl/regctl/pkg/hold"
	"github.com/regctl/regctl/pkg/storage"
)

// The defaults of the options. A caller that wants them says so: the zero value
// of a duration is no time at all.
const (
	// DefaultGrace is for how long something stays that nothing needs. A client asks
	// which layers are there before it sends the rest, and the manifest last: what it
	// was told is there must be there until then. An hour is a slow push of a large
	// image, and what a day's builds leave still goes the same day.
	DefaultGrace = time.Hour
	// DefaultUntagged is for how long a manifest stays that lost its tag, where such
	// go at all: a deployment may run it by its digest.
	DefaultUntagged = 72 * time.Hour
	// DefaultKeepTrash is for how long a collection can be undone.
	DefaultKeepTrash = 24 * time.Hour
	// DefaultUploads is for how long an upload that is not finished stays. Clients
	// take up one again within minutes.
	DefaultUploads = 7 * 24 * time.Hour
	// settle is how long writes that were let through get to end, see [HoldFile].
	settle = 250 * time.Millisecond
)

// Options say what is to go.
type Options struct {
	// DeleteUntagged lets manifests go that no tag, no index and no subject keeps.
	DeleteUntagged bool
	// UntaggedOlderThan keeps those that were pushed, or had a tag, since then.
	UntaggedOlderThan time.Duration
	// CosignTags lets the tags sha256-<hex>, with or without .sig, .att or .sbom, of
	// a manifest of the same repository live and die with it.
	CosignTags bool

	// Tags are to go, whatever the age: retention's, or a person's.
	Tags []TagRemoval
	// Repositories are to go whole; those nested in them stay.
	Repositories []string
	// Keep are digests that stay with all they need, wherever they are: what runs,
	// what clients have just asked for.
	Keep []storage.Digest

	Grace     time.Duration
	Uploads   time.Duration
	KeepTrash time.Duration

	// DryRun plans, and changes nothing: neither purges nor recovers.
	DryRun bool
	// Hold keeps writes of manifests and all deletions out, see [HoldFile]. nil says
	// that the caller has seen to it that nobody writes.
	Hold func(context.Context) (release func() error, err error)

	// Workers is how many goroutines read; 0 is 16, or twice the number of
	// CPUs where that is more.
	Workers int
	// Command is what the lock's file tells whoever meets it.
	Command string
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Progress, which may be nil, is told what goes on, from one goroutine at a time.
	Progress func(Progress)

	// step is for tests: called before each change, an error ends the run as a kill
	// would, with nothing taken back.
	step func(what, path string) error
}

// TagRemoval is a tag that is to go.
type TagRemoval struct {
	Repository, Tag string
	// Digest is what the tag was when that was decided. It stays if it is another
	// by now, or was pushed again.
	Digest storage.Digest
	// Manifest lets the manifest go with its tags, though untagged ones stay and
	// though it is young, unless something else keeps it: another tag, an index, the
	// grace.
	Manifest bool
}

// Progress is how far a run is. Total is 0 while it is not known.
type Progress struct {
	Phase       Phase
	Done, Total int64
	Bytes       int64
}

// Phase is a part of a run.
type Phase string

// The phases, in their order.
const (
	PhaseRecover Phase = "recover" // an earlier run that was killed; items
	PhasePurge   Phase = "purge"   // of old trash; runs
	PhaseMark    Phase = "mark"    // what is needed; repositories
	PhaseBlobs   Phase = "blobs"   // what is there; blobs and their bytes
	PhaseSweep   Phase = "sweep"   // while writes are held; items
	PhaseVerify  Phase = "verify"  // what came meanwhile; repositories
)

// HoldFile holds through the front door of a stack whose data volume is root. It
// returns once the writes that were let through before have had the time that
// the slowest of them takes; one that takes longer is seen when the sweep is
// verified.
func HoldFile(root string) func(context.Context) (func() error, error) {
	return func(ctx context.Context) (func() error, error) {
		h, err := hold.Take(root, "regctl gc")
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			h.Release()
			return nil, ctx.Err()
		case <-time.After(settle):
			return h.Release, nil
		}
	}
}
