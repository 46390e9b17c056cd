package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/storage"
)

// Pruned is what was removed, or would be.
type Pruned struct {
	DryRun  bool  `json:"dry_run" doc:"nothing was removed"`
	Kept    int64 `json:"kept" doc:"blobs that snapshots need"`
	Removed int64 `json:"removed" doc:"blobs that none needs"`
	Bytes   int64 `json:"bytes" doc:"freed by that"`
	// Unfinished is how many snapshots went that a killed run did not finish.
	Unfinished int `json:"unfinished" doc:"snapshots that a killed run did not finish, removed too"`
}

// PruneOptions are for [Store.Prune].
type PruneOptions struct {
	DryRun   bool
	Command  string
	Progress func(Progress)
}

// Prune removes the blobs that no snapshot needs, and what killed runs left. It
// has the store to itself: a backup relies on the blobs that it finds. A snapshot
// that cannot be read makes it refuse, since nobody knows what that needs. It needs
// no identity.
func (s *Store) Prune(ctx context.Context, opts PruneOptions) (out *Pruned, err error) {
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	out = &Pruned{DryRun: opts.DryRun}
	check := func(context.Context) error { return nil }
	if !opts.DryRun {
		locked, l, err := s.Locked(ctx, true, opts.Command)
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, l.Release()) }()
		ctx, check = locked, l.Check
	}
	snaps, problems, err := s.Snapshots(ctx)
	if err != nil {
		return out, err
	}
	if len(problems) > 0 {
		return out, unreadable(strings.TrimPrefix(problems[0].Path, snapshotsDir), errors.New(problems[0].Message))
	}
	need := newBlobSet()
	for _, snap := range snaps {
		if err := s.listing(ctx, snap.ID, blobsName, listingReader{
			blob:    func(d storage.Digest, size int64) error { need.put(d, size); return nil },
			missing: func(d storage.Digest) error { need.put(d, -1); return nil },
		}); err != nil {
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			return out, unreadable(snap.ID, err)
		}
	}
	present, err := s.present(ctx)
	if err != nil {
		return out, err
	}
	left, err := s.unfinished(ctx)
	if err != nil {
		return out, err
	}
	out.Unfinished = len(left)
	var drop []storage.Digest
	for d, size := range present.all() {
		if _, needed := need.get(d); needed {
			out.Kept++
			continue
		}
		out.Removed++
		out.Bytes += size
		drop = append(drop, d)
	}
	if opts.DryRun {
		return out, nil
	}
	for _, id := range left {
		if err := s.removeAll(ctx, snapshotsDir+id+"/"); err != nil {
			return out, err
		}
	}
	if sweeper, ok := s.Target.(interface{ Sweep(context.Context) error }); ok {
		if err := sweeper.Sweep(ctx); err != nil {
			return out, err
		}
	}
	return out, s.drop(ctx, drop, check, opts)
}

// drop removes blobs, and looks now and then whether the lock still is its own.
func (s *Store) drop(ctx context.Context, blobs []storage.Digest, check func(context.Context) error, opts PruneOptions) error {
	const between = 256
	for i := 0; i < len(blobs); i += between {
		if err := check(ctx); err != nil {
			return err
		}
		batch := blobs[i:min(i+between, len(blobs))]
		err := storage.Each(8, len(batch), func(j int) error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return s.Remove(ctx, s.blobName(batch[j]))
		})
		if err != nil {
			return err
		}
		opts.Progress(Progress{Phase: PhasePrune, Done: int64(i + len(batch)), Total: int64(len(blobs))})
	}
	return s.Flush(ctx)
}

func unreadable(id string, err error) error {
	return advice.With(fmt.Errorf("nothing was pruned, since nobody knows what snapshot %s needs: %w", id, err),
		"regctl backup verify; regctl backup forget %s gives it up", id)
}
