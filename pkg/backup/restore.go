package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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
	// oneByOne is for tests: as where syncsTogether is not true.
	oneByOne bool
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
	st.sync = opts.oneByOne || !syncsTogether(st.top)
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
