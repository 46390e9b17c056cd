package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// Snapshot is what a run of backup kept.
type Snapshot struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	// Time is when it began, in UTC: what was pushed before is in it.
	Time time.Time `json:"time"`
	// Host and Project say where it is from; Versions by name.
	Host         string            `json:"host"`
	Project      string            `json:"project,omitempty"`
	Versions     map[string]string `json:"versions"`
	Repositories int               `json:"repositories"`
	Tags         int               `json:"tags"`
	Links        int               `json:"links"`
	Blobs        int               `json:"blobs"`
	// Bytes is the size of all blobs that it needs.
	Bytes int64 `json:"bytes"`
	// Missing is how many blobs the source did not have whole.
	Missing int `json:"missing"`
	// Config tells whether it has the deployment's configuration.
	Config bool `json:"config"`
}

// Good tells whether it has all that it lists.
func (s *Snapshot) Good() bool { return s.Missing == 0 }

// Names of a snapshot's objects, below snapshots/<id>/.
const (
	summaryName = "snapshot.json"
	listingName = "listing.gz"
	// blobsName is never encrypted: who prunes need not hold an identity, and the
	// names of the blobs are digests in any case.
	blobsName  = "blobs.gz"
	configName = "config.tar.gz"
	// sumsName is written last: without it there is no snapshot.
	sumsName = "SHA256SUMS"
)

var snapshotID = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

// ErrNoSnapshot says that there is none of a name.
var ErrNoSnapshot = errors.New("no snapshot")

// ErrSnapshot says that a snapshot's own objects are damaged.
var ErrSnapshot = errors.New("damaged snapshot")

func (s *Store) snapshotName(id, name string) string { return snapshotsDir + id + "/" + name }

// Snapshots lists the snapshots, the oldest first, and what is wrong with those
// that cannot be read.
func (s *Store) Snapshots(ctx context.Context) (out []*Snapshot, problems []Problem, err error) {
	ids := map[string]bool{}
	err = s.List(ctx, snapshotsDir, func(o Object) error {
		id, name, _ := strings.Cut(strings.TrimPrefix(o.Name, snapshotsDir), "/")
		if name == sumsName && snapshotID.MatchString(id) {
			ids[id] = true
		}
		return nil
	})
	for id := range ids {
		snap, err := s.summary(ctx, id)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !s.there(ctx, id): // forgotten meanwhile
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case away(err):
			return nil, nil, err
		case err != nil:
			problems = append(problems, Problem{ID: SnapshotDamaged, Path: snapshotsDir + id, Message: err.Error()})
		default:
			out = append(out, snap)
		}
	}
	slices.SortFunc(out, func(a, b *Snapshot) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return out, problems, err
}

func (s *Store) there(ctx context.Context, id string) bool {
	f, err := s.Open(ctx, s.snapshotName(id, sumsName))
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// Snapshot finds a snapshot by its ID, a beginning of it that is no other's, or
// "latest".
func (s *Store) Snapshot(ctx context.Context, name string) (*Snapshot, error) {
	all, problems, err := s.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	if name == "latest" {
		if len(all) == 0 {
			return nil, fmt.Errorf("%w in %s can be read", ErrNoSnapshot, s)
		}
		return all[len(all)-1], nil
	}
	var found []*Snapshot
	for _, snap := range all {
		if snap.ID == name {
			return snap, nil
		}
		if strings.HasPrefix(snap.ID, name) && name != "" {
			found = append(found, snap)
		}
	}
	for _, p := range problems {
		if p.Path == snapshotsDir+name {
			return nil, fmt.Errorf("snapshot %s: %s", name, p.Message)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, advice.With(fmt.Errorf("%w %q in %s", ErrNoSnapshot, name, s), "regctl backup ls lists them")
	}
	return nil, fmt.Errorf("%w: %q begins the names of %d snapshots", ErrNoSnapshot, name, len(found))
}

// summary reads a snapshot's summary and compares it with its sum.
func (s *Store) summary(ctx context.Context, id string) (*Snapshot, error) {
	m, err := s.readSums(ctx, id)
	if err != nil {
		return nil, err
	}
	text, err := readAll(ctx, s, s.snapshotName(id, summaryName), 1<<20)
	if err != nil {
		return nil, err
	}
	if hexSum(text) != m[summaryName] {
		return nil, fmt.Errorf("%w: %s does not match its sum", ErrSnapshot, summaryName)
	}
	snap := new(Snapshot)
	if err := json.Unmarshal(text, snap); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if snap.Format != Format {
		return nil, fmt.Errorf("%w %d: use a newer regctl", ErrFormat, snap.Format)
	}
	if snap.ID != id {
		return nil, fmt.Errorf("%w: its summary is of another one", ErrSnapshot)
	}
	return snap, nil
}
