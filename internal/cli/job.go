package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/engine"
)

// A job is work on a registry's storage directory. With --root it runs in this
// process; on a stack in regctl itself, in a one-off container with the volume
// mounted: `regctl inside JOB`, which reads its options on the first line of
// standard input and answers in lines of JSON. Its input ends when the outer
// process gives up or dies, and the job with it.
type job func(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error)

// progress is how far a job has come; a total of 0 is unknown.
type progress struct {
	Phase string `json:"phase"`
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	// BytesTotal is how many are to come; 0 is unknown.
	BytesTotal int64 `json:"bytes_total,omitempty"`
}

// jobs are all there are, by name.
var jobs = map[string]job{
	"fsck":          fsckJob,
	"fsck repair":   fsckRepairJob,
	"gc":            gcJob,
	"gc undo":       gcUndoJob,
	"gc purge":      gcPurgeJob,
	"repo ls":       repoLsJob,
	"tag ls":        tagLsJob,
	"backup create": backupCreateJob,
	"restore look":  restoreLookJob,
	"restore stage": restoreStageJob,
	"restore swap":  restoreSwapJob,
	"drill restore": drillRestoreJob,
	"drill pull":    drillPullJob,
}

// storageDir is where the registry keeps its data inside its container.
const storageDir = "/var/lib/registry"

// registryVolume is the volume with the images, by its name in the Compose file.
const registryVolume = "registry-data"

// site is where a job works.
type site struct {
	root   string         // with --root
	d      *deployment    // else
	engine *engine.Client // with d
	reads  bool           // it changes nothing

	// Of a drill: another volume than the one with the stack's images.
	drill  bool
	volume string
	image  string // of the registry

	// What a job on a stack needs beside the volume.
	binds   map[string]string // directories of the host that it may read, by their path inside
	shares  map[string]string // and those that it may write to
	network bool
	capAdd  []string
}

// flag is how to name the site in a command to type.
func (s site) flag() string {
	if s.root != "" {
		return " --root " + shellWord(s.root)
	}
	return dirFlag(s.d.Dir)
}

// openSite finds the storage that a command is to work on, and makes sure that
// content can be taken away from it. On a stack that takes the deployment's lock,
// unless nothing is to be changed; done gives it back.
func (a *App) openSite(ctx context.Context, root, command string) (_ site, done func(), err error) {
	if root != "" {
		root, err = checkRoot(root)
		return site{root: root}, func() {}, err
	}
	d, err := a.open()
	if err != nil {
		return site{}, nil, err
	}
	at := site{d: d}
	release := func() error { return nil }
	if !a.dryRun {
		held, err := lockDeployment(ctx, d.Layout, command)
		if err != nil {
			return site{}, nil, err
		}
		release = held.Release
	}
	if at.engine, err = a.Connect(ctx); err == nil {
		err = a.checkCollectable(ctx, at.engine, d)
	}
	done = func() {
		if at.engine != nil {
			at.engine.Close()
		}
		_ = release() // the kernel drops the lock with the process in any case
	}
	if err != nil {
		done()
		return site{}, nil, err
	}
	return at, done, nil
}

// do runs a job and decodes what it found into result. Beside an error there may
// be a result.
func (a *App) do(ctx context.Context, at site, name string, options, result any) error {
	in, err := json.Marshal(options)
	if err != nil {
		return err
	}
	show := ui.Progress{UI: &a.ui}
	tell := func(p progress) {
		show.Show(ui.Amount{Phase: p.Phase, Done: p.Done, Total: p.Total, Bytes: p.Bytes, BytesTotal: p.BytesTotal})
	}
	defer show.End()
	if at.root == "" {
		return a.doInside(ctx, at, name, in, tell, result)
	}
	out, err := jobs[name](ctx, at.root, in, tell)
	if out == nil {
		return err
	}
	text, marshalErr := json.Marshal(out)
	if marshalErr == nil {
		marshalErr = json.Unmarshal(text, result)
	}
	return errors.Join(err, marshalErr)
}

// insideLine is one line of a job's output.
type insideLine struct {
	Progress *progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *insideError    `json:"error,omitempty"`
}

// insideError is an error of a job that ran in a container.
type insideError struct {
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
	Status int    `json:"status"`
}

func (e *insideError) Error() string { return e.Text }

func (a *App) doInside(ctx context.Context, at site, name string, options []byte, tell func(progress), result any) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	volume, image := at.d.cfg.Project+"_"+registryVolume, at.d.cfg.Registry.Image
	if at.drill {
		volume, image = at.volume, at.image
	}
	var last insideLine
	var bad error
	status, said, err := at.engine.RunWork(ctx, engine.Work{
		Project: at.d.cfg.Project,
		Image:   image,
		Program: program,
		Args:    []string{"inside", name, "--root", storageDir},
		Volumes: map[string]string{volume: storageDir},
		Binds:   at.binds,
		Shares:  at.shares,
		Reads:   at.reads,
		Drill:   at.drill,
		Network: at.network,
		CapAdd:  at.capAdd,
		Input:   append(options, '\n'),
		Line: func(line []byte) {
			var l insideLine
			if err := json.Unmarshal(line, &l); err != nil {
				bad = fmt.Errorf("a line of regctl inside: %w", err)
				return
			}
			switch {
			case l.Progress != nil:
				tell(*l.Progress)
			case l.Error != nil:
				last.Error = l.Error
			case l.Result != nil:
				last.Result = append(json.RawMessage(nil), l.Result...)
			}
		},
	})
	if err == nil {
		err = bad
	}
	if last.Result != nil {
		err = errors.Join(err, json.Unmarshal(last.Result, result))
	}
	if err != nil {
		return err
	}
	if last.Error != nil {
		if ctx.Err() != nil && last.Error.Status == statusInterrupted {
			return ctx.Err()
		}
		if last.Error.Hint != "" {
			return advice.With(last.Error, "%s", last.Error.Hint)
		}
		return last.Error
	}
	if status != 0 || last.Result == nil {
		return &logError{err: fmt.Errorf("regctl inside %s, in a container of %s, ended with status %d", name, image, status), log: said}
	}
	return nil
}

// ownProgram is this very binary.
func ownProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// newInsideCommand is the other end. People have no use for it.
func newInsideCommand(a *App) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "inside JOB", Short: "Work on a storage directory for another regctl", Hidden: true,
		Args: exactly(1, "JOB"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runInside(cmd.Context(), args[0], root) },
	}
	c.Flags().StringVar(&root, "root", "", "storage directory")
	return c
}

func (a *App) runInside(ctx context.Context, name, root string) error {
	work, known := jobs[name]
	if !known || root == "" {
		return usagef("no job %q, or no --root", name)
	}
	in := bufio.NewReader(a.In)
	options, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("options of %s: %w", name, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	var mu sync.Mutex
	enc := json.NewEncoder(a.Out)
	say := func(l insideLine) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(l)
	}
	// What cannot be told for the other end is gone: its input has ended, too.
	result, err := work(ctx, root, options, func(p progress) { _ = say(insideLine{Progress: &p}) })
	if result != nil {
		text, marshalErr := json.Marshal(result)
		if marshalErr != nil {
			return marshalErr
		}
		if err := say(insideLine{Result: text}); err != nil {
			return err
		}
	}
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	return say(insideLine{Error: &insideError{Text: text, Hint: advice.Of(err), Status: status(ctx, err)}})
}
