package cli

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/pattern"
)

// restoreRequest is what the jobs of a restore are told.
type restoreRequest struct {
	storeRequest
	Snapshot     string   `json:"snapshot"`
	Archive      bool     `json:"archive"`
	Repositories []string `json:"repositories,omitempty"`
	Damaged      bool     `json:"damaged"`
}

// lookReply tells whether there is content that would be replaced.
type lookReply struct {
	Occupied bool `json:"occupied"`
}

func restoreLookJob(_ context.Context, root string, _ json.RawMessage, _ func(progress)) (any, error) {
	occupied, err := backup.HasData(root)
	if err != nil {
		return nil, err
	}
	return lookReply{occupied}, nil
}

// restoreStageJob prepares what restoreSwapJob puts in place.
func restoreStageJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req restoreRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	o := backup.RestoreOptions{Damaged: req.Damaged, Command: req.Command, Progress: backupProgress(tell)}
	if len(req.Repositories) > 0 {
		o.Match = func(name string) bool {
			for _, p := range req.Repositories {
				if pattern.Matches(p, name) {
					return true
				}
			}
			return false
		}
	}
	from, err := req.open(ctx)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return result(from.stage(ctx, root, o))
}

// snapshotInside is what a job brings back from.
type snapshotInside struct {
	*backup.Store
	snap  *backup.Snapshot
	stage func(context.Context, string, backup.RestoreOptions) (*backup.Restored, error)
}

// open opens the backups, or the exported file, in a job.
func (r restoreRequest) open(ctx context.Context) (*snapshotInside, error) {
	if r.Archive {
		keys, err := backup.NewKeys(nil, r.Identity)
		if err != nil {
			return nil, err
		}
		arc, err := backup.OpenArchive(ctx, r.Dest, keys)
		if err != nil {
			return nil, err
		}
		return &snapshotInside{arc.Store, arc.Latest, arc.Stage}, nil
	}
	t, keys, err := r.target(false)
	if err != nil {
		return nil, err
	}
	s, err := backup.Open(ctx, t, keys)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	s.As(r.Host)
	snap, err := s.Snapshot(ctx, r.Snapshot)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &snapshotInside{s, snap, func(ctx context.Context, root string, o backup.RestoreOptions) (*backup.Restored, error) {
		return s.Stage(ctx, snap, root, o)
	}}, nil
}

func restoreSwapJob(ctx context.Context, root string, options json.RawMessage, _ func(progress)) (any, error) {
	var req restoreRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	return result(backup.Swap(ctx, root, req.Command))
}

// result makes a nil pointer no result.
func result(r *backup.Restored, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}
