package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// Keep says which snapshots stay, with restic's meaning: the last so many; the last
// of each of the last so many days, weeks (ISO) and months that have one. A
// snapshot stays that any of them keeps. All zero keeps everything.
type Keep struct {
	Last    int `json:"last"`
	Daily   int `json:"daily"`
	Weekly  int `json:"weekly"`
	Monthly int `json:"monthly"`
}

// ErrLastGood says that a snapshot is the last one with all it lists.
var ErrLastGood = errors.New("it is the last good snapshot")

// Decision is what becomes of a snapshot, and why it stays.
type Decision struct {
	*Snapshot
	Kept    bool     `json:"kept" doc:"it stays"`
	Reasons []string `json:"reasons" doc:"why it stays"`
}

// Apply decides, for the snapshots of each registry apart: hosts can share a store.
// Days are those of the location. The newest good snapshot of each always stays.
func (k Keep) Apply(snaps []*Snapshot, in *time.Location) []Decision {
	out := make([]Decision, len(snaps))
	for i, s := range snaps {
		out[i] = Decision{Snapshot: s, Reasons: []string{}}
	}
	slices.SortStableFunc(out, func(a, b Decision) int { return b.Time.Compare(a.Time) })
	of := map[[2]string][]*Decision{}
	for i := range out {
		source := [2]string{out[i].Host, out[i].Project}
		of[source] = append(of[source], &out[i])
	}
	for _, one := range of {
		k.apply(one, in)
	}
	return out
}

// apply decides about the snapshots of one registry, the newest first.
func (k Keep) apply(out []*Decision, in *time.Location) {
	keep := func(i int, why string) {
		out[i].Kept = true
		out[i].Reasons = append(out[i].Reasons, why)
	}
	rules := []struct {
		name string
		n    int
		of   func(i int, t time.Time) string
	}{
		{"last", k.Last, func(i int, _ time.Time) string { return fmt.Sprint(i) }},
		{"daily", k.Daily, func(_ int, t time.Time) string { return t.Format(time.DateOnly) }},
		{"weekly", k.Weekly, func(_ int, t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, "-", w) }},
		{"monthly", k.Monthly, func(_ int, t time.Time) string { return t.Format("2006-01") }},
	}
	for _, r := range rules {
		last := ""
		for i := range out {
			if r.n <= 0 {
				break
			}
			if key := r.of(i, out[i].Time.In(in)); key != last {
				last = key
				r.n--
				keep(i, r.name)
			}
		}
	}
	if k == (Keep{}) {
		for i := range out {
			keep(i, "no rule")
		}
	}
	if i := slices.IndexFunc(out, func(d *Decision) bool { return d.Good() }); i >= 0 && !out[i].Kept {
		keep(i, "last good")
	}
}

// Forget removes snapshots, not the blobs that they needed: [Store.Prune] does. It
// refuses to remove the last good one.
func (s *Store) Forget(ctx context.Context, ids []string, command string) (err error) {
	ctx, l, err := s.Locked(ctx, true, command)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	all, _, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	good, stays := false, false
	for _, snap := range all {
		good = good || snap.Good()
		stays = stays || snap.Good() && !slices.Contains(ids, snap.ID)
	}
	if good && !stays {
		return advice.With(fmt.Errorf("not removed: %w", ErrLastGood), "make another backup first")
	}
	for _, id := range ids {
		if !snapshotID.MatchString(id) {
			return fmt.Errorf("%w %q", ErrNoSnapshot, id)
		}
		if err := s.dropSnapshot(ctx, id, l); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshot removes the sums first: without them it is none.
func (s *Store) dropSnapshot(ctx context.Context, id string, l *Lock) error {
	if err := l.Check(ctx); err != nil {
		return err
	}
	if err := s.Remove(ctx, s.snapshotName(id, sumsName)); err != nil {
		return err
	}
	if err := s.Flush(ctx); err != nil {
		return err
	}
	return s.removeAll(ctx, snapshotsDir+id+"/")
}

func (s *Store) removeAll(ctx context.Context, prefix string) error {
	var names []string
	if err := s.List(ctx, prefix, func(o Object) error { names = append(names, o.Name); return nil }); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.Remove(ctx, name); err != nil {
			return err
		}
	}
	return s.Flush(ctx)
}

// readOnly tells that no lock can be written, and so nobody else can prune.
func readOnly(err error) bool {
	return full(err) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, errDenied)
}

// errDenied is a refusal to write, by object storage.
var errDenied = errors.New("access denied")

// unfinished lists the snapshots that a killed run left without sums.
func (s *Store) unfinished(ctx context.Context) ([]string, error) {
	parts := map[string]bool{}
	err := s.List(ctx, snapshotsDir, func(o Object) error {
		id, name, _ := strings.Cut(strings.TrimPrefix(o.Name, snapshotsDir), "/")
		if snapshotID.MatchString(id) {
			parts[id] = parts[id] || name == sumsName
		}
		return nil
	})
	var out []string
	for id, whole := range parts {
		if !whole {
			out = append(out, id)
		}
	}
	return out, err
}
