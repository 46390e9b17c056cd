package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage"
)

// gcRequest is what a collection is asked for.
type gcRequest struct {
	Seen              int               `json:"seen"` // that of fsckRequest
	DryRun            bool              `json:"dry_run"`
	Recover           bool              `json:"recover"` // what a killed run took, before anything is planned
	DeleteUntagged    bool              `json:"delete_untagged"`
	UntaggedOlderThan time.Duration     `json:"untagged_older_than"`
	Grace             time.Duration     `json:"grace"`
	KeepTrash         time.Duration     `json:"keep_trash"`
	CosignTags        bool              `json:"cosign_tags"`
	Keep              []storage.Digest  `json:"keep"` // whatever runs
	Items             bool              `json:"items"`
	Removal           *removal          `json:"removal,omitempty"` // a person's wish
	Retention         *retentionRequest `json:"retention,omitempty"`
	Command           string            `json:"command"`
}

// gcReply is what a collection did.
type gcReply struct {
	gc.Result
	Items []string `json:"items"` // what went or would go, a line each
	Disk  diskRoom `json:"disk"`
	Trash []gc.Trash

	Retention *retentionResult `json:"retention"`
}

// diskRoom is the file system that holds the images.
type diskRoom struct {
	Free  int64 `json:"free_bytes" doc:"bytes free on the file system of the images"`
	Total int64 `json:"total_bytes" doc:"its size in bytes"`
}

// nearlyFull is the part of a disk under which a person should make room.
const nearlyFull = 0.10

func (d diskRoom) nearlyFull() bool {
	return d.Total > 0 && float64(d.Free) < nearlyFull*float64(d.Total)
}

func roomOn(path string) (diskRoom, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return diskRoom{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return diskRoom{Free: int64(st.Bavail) * st.Bsize, Total: int64(st.Blocks) * st.Bsize}, nil
}

func (r gcRequest) options(root string, tell func(progress)) gc.Options {
	return gc.Options{
		DeleteUntagged: r.DeleteUntagged, UntaggedOlderThan: r.UntaggedOlderThan, CosignTags: r.CosignTags,
		Keep:  r.Keep,
		Grace: r.Grace, Uploads: gc.DefaultUploads, KeepTrash: r.KeepTrash,
		DryRun: r.DryRun, Hold: gc.HoldFile(root), Command: "regctl " + r.Command,
		Progress: func(p gc.Progress) {
			tell(progress{Phase: phaseText[p.Phase], Done: p.Done, Total: p.Total, Bytes: p.Bytes})
		},
	}
}

var phaseText = map[gc.Phase]string{
	gc.PhaseRecover: "putting back what a run that was killed took",
	gc.PhasePurge:   "freeing old trash",
	gc.PhaseMark:    "looking what is needed: repositories",
	gc.PhaseBlobs:   "looking what is there: blobs",
	gc.PhaseSweep:   "moving to the trash",
	gc.PhaseVerify:  "looking at what came meanwhile: repositories",
	gc.PhaseUndo:    "putting back",
}

// mostItems bounds what is shown of what goes.
const mostItems = 10_000

func gcJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req gcRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	o := req.options(root, tell)
	if req.Recover {
		if err := gc.Recover(ctx, root, o); err != nil && !errors.Is(err, storage.ErrNoStorage) {
			return nil, storageAdvice(root, err)
		}
	}
	if req.Removal != nil {
		if err := req.Removal.apply(root, &o); err != nil {
			return nil, err
		}
	}
	var kept *retentionResult
	if req.Retention != nil {
		var err error
		if kept, err = req.Retention.apply(ctx, root, &o); err != nil {
			return nil, err
		}
	}
	run, err := gc.Begin(ctx, root, o)
	if errors.Is(err, storage.ErrNoStorage) && req.Seen > 0 {
		return nil, lostVolume(req.Seen)
	}
	if errors.Is(err, storage.ErrNoStorage) { // nothing was ever pushed
		out := gcReply{Result: gc.Result{DryRun: o.DryRun, Problems: []gc.Problem{}}, Items: []string{}, Retention: kept}
		out.Disk, err = roomOn(root)
		return out, err
	}
	if err != nil {
		return nil, storageAdvice(root, err)
	}
	defer run.Close()
	sweepErr := run.Sweep(ctx)
	out := gcReply{Result: *run.Result(), Items: []string{}, Retention: kept}
	if req.Items {
		for it := range run.Items() {
			// Layers' links and histories follow from the rest.
			if it.Kind == "layer" || it.Kind == "history" {
				continue
			}
			if len(out.Items) == mostItems {
				out.Items = append(out.Items, "… and more")
				break
			}
			out.Items = append(out.Items, it.String())
		}
	}
	if sweepErr != nil {
		return nil, storageAdvice(root, sweepErr)
	}
	return out, out.look(root)
}

// look adds what lies in the trash and how full the disk is.
func (r *gcReply) look(root string) (err error) {
	if r.Disk, err = roomOn(root); err != nil {
		return err
	}
	r.Trash, err = gc.List(root)
	return err
}

func gcUndoJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req gcRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	out, err := gc.Undo(ctx, root, req.options(root, tell))
	if errors.Is(err, storage.ErrNoStorage) {
		return nil, gc.ErrNothingToUndo
	}
	if err != nil {
		return nil, storageAdvice(root, err)
	}
	return out, nil
}

func gcPurgeJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req gcRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	out, err := gc.Purge(ctx, root, req.options(root, tell))
	if errors.Is(err, storage.ErrNoStorage) {
		return gc.Purged{DryRun: req.DryRun, Problems: []gc.Problem{}}, nil
	}
	if err != nil {
		return nil, storageAdvice(root, err)
	}
	return out, nil
}
