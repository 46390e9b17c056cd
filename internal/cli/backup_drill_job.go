package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/drill"
	"github.com/regctl/regctl/pkg/storage"
)

// drillRequest is what the first job of a drill is told: it restores.
type drillRequest struct {
	restoreRequest
	Whole bool     `json:"whole"`
	Names []string `json:"names,omitempty"` // of repositories, unless it is the whole
	Room  int64    `json:"room"`
}

// drillPull is what the second is told: it has the registry pull.
type drillPull struct {
	Sparse bool  `json:"sparse"`
	Blobs  int   `json:"blobs"` // that are to come
	Bytes  int64 `json:"bytes"`
}

// drillList is where the first job tells the second what is to be pulled.
const drillList = storage.StateDir + "/drill.list"

// mostProblems is how many are told: they have to fit into a line.
const mostProblems = 1000

func drillRestoreJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req drillRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	if err := roomForDrill(root, req.Room); err != nil {
		return nil, err
	}
	o := backup.RestoreOptions{Damaged: true, Command: req.Command, Progress: backupProgress(tell)}
	if !req.Whole {
		names := map[string]bool{}
		for _, name := range req.Names {
			names[name] = true
		}
		o.Match = func(name string) bool { return names[name] }
	}
	from, err := req.open(ctx)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	restored, err := from.stage(ctx, root, o)
	if err != nil {
		return nil, err
	}
	if _, err := backup.Swap(ctx, root, req.Command); err != nil {
		return nil, err
	}
	list, err := drill.CreateList(filepath.Join(root, drillList))
	if err != nil {
		return nil, err
	}
	err = from.EachManifest(ctx, from.snap, o.Match, func(m backup.Manifest) error { return list.Add(m.Repository, m.Tag, m.Digest) })
	if err := errors.Join(err, list.Close()); err != nil {
		return nil, err
	}
	restored.Problems = restored.Problems[:min(len(restored.Problems), mostProblems)]
	return restored, nil
}

// roomForDrill leaves the stack a tenth of what is free: its volumes mostly lie on
// the same disk, and it goes on taking pushes.
func roomForDrill(root string, need int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(root, &st); err != nil {
		return err
	}
	free := int64(st.Bavail) * st.Bsize
	if need <= free/10*9 {
		return nil
	}
	return advice.With(fmt.Errorf("%w for a drill: it takes about %s, and the disk of the volumes has %s free, of which a tenth is left to the stack",
		backup.ErrSpace, ui.Bytes(need), ui.Bytes(free)), "--sample 10%%, or --repository PATTERN, drills on a part")
}

func drillPullJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req drillPull
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(root, drillList))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	program, err := exec.LookPath("registry")
	if err != nil {
		return nil, fmt.Errorf("the image has no registry to start: %w", err)
	}
	r, err := drill.Start(ctx, program, root)
	if err != nil {
		return nil, err
	}
	res, err := drill.Pull(ctx, r.Client(), drill.Repositories(f), drill.Options{Sparse: req.Sparse, Progress: func(p drill.Progress) {
		tell(progress{Phase: "pulling", Done: p.Blobs, Total: int64(req.Blobs), Bytes: p.Bytes, BytesTotal: req.Bytes})
	}})
	if err := errors.Join(err, r.Stop()); err != nil {
		return nil, err
	}
	return res, nil
}
