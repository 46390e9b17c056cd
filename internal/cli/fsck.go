package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/fsck"
	"github.com/regctl/regctl/pkg/storage"
)

type fsckOptions struct {
	root   string
	fast   bool
	sparse bool
	slice  string
	limit  string
	repair bool
	from   []string
	// identity decrypts backups that from names.
	identity string
}

func newFsckCommand(a *App) *cobra.Command {
	var o fsckOptions
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Find damaged images, and which tags cannot be pulled because of it",
		Long: `Follow every tag, manifest and link as the registry would to serve a pull, and
compare every blob with its digest. The registry runs on: nothing is locked, and
what a push or a collection has under way is not taken for damage.

--fast reads no blobs but manifests: it finds what is missing, empty or linked
wrongly, not what has other bytes. --slice 2/7 hashes a seventh of the blobs,
--slice today/7 another one each day; the rest is checked as with --fast.

--repair brings what is missing or damaged from --from, or from the trash of gc, by
its digest, and writes damaged links anew; what was there is moved to
.regctl/damaged on the same volume. --from is a backup (a directory, object storage
or an exported file, read with what regctl.yaml says of backups), another registry,
or another storage directory. A damaged tag is set to what it was last, as its
history tells, only with --yes. Bad data that nobody has better is moved aside too:
while it is there, no push brings a good one. --dry-run shows the plan.

Exit status 3 when something that is kept is damaged. What is merely untidy, such
as files that no registry makes, leaves the exit status at 0. docs/fsck.md lists
all that can be found.`,
		Example: `  regctl fsck --fast
  regctl fsck --slice today/7 --limit 50MiB/s --quiet
  regctl fsck --repair --from https://mirror.example.com --dry-run
  regctl fsck --repair --from s3://bucket/registry --from /mnt/disk2/registry`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runFsck(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.root, "root", "", rootHelp)
	f.BoolVar(&o.fast, "fast", false, "hash no blobs but manifests")
	f.StringVar(&o.slice, "slice", "", "hash a part of the blobs: 2/7, or today/7 for another part each day")
	f.StringVar(&o.limit, "limit", "", "read no more than this for hashing: 50MiB/s")
	f.BoolVar(&o.repair, "repair", false, "mend what can be mended; what is bad is moved aside, never deleted")
	f.StringArrayVar(&o.from, "from", nil, "with --repair: where good blobs are: https://REGISTRY[/PREFIX], a storage directory, or backups: a directory, s3://bucket/prefix, an exported file (may be given several times)")
	f.StringVar(&o.identity, "identity", "", "age identity file that decrypts backups of --from (default: backup.identity in regctl.yaml)")
	f.BoolVar(&o.sparse, "sparse", false, "an index without some of its manifests was pushed so on purpose")
	return c
}

// fsckRequest is what a check is asked for.
type fsckRequest struct {
	Fast   bool       `json:"fast"`
	Slice  fsck.Slice `json:"slice"`
	Rate   int64      `json:"rate"`
	Sparse bool       `json:"sparse"`
	// Settle is 0 for the default.
	Settle time.Duration `json:"settle"`
	// Seen is how many blobs were seen in this deployment's volume before, negative
	// where that says nothing about the directory.
	Seen int `json:"seen"`
}

// nothing judges a directory that holds no registry's content: a registry to which
// nothing was ever pushed, a wrong directory, or a volume that was lost.
func (r fsckRequest) nothing(err error) (*fsck.Report, error) {
	switch {
	case !errors.Is(err, storage.ErrNoStorage) || r.Seen < 0:
		return nil, err
	case r.Seen > 0:
		return nil, lostVolume(r.Seen)
	}
	return &fsck.Report{Fast: r.Fast, Broken: []fsck.Broken{}, Found: []fsck.Found{}, Problems: []fsck.Problem{}}, nil
}

// lostVolume says that a volume which held images holds none.
func lostVolume(seen int) error {
	return advice.With(fmt.Errorf("the volume holds no registry's content, and regctl has seen %s there", count(seen, "blob")),
		"docker volume ls, if it is another volume; regctl restore brings images back from a backup")
}

// seenOn is how many blobs the last work on a site's volume saw there; negative: it is
// no volume of a deployment.
func seenOn(at site) int {
	if at.d == nil {
		return -1
	}
	seen := 0
	for _, c := range chores {
		if last := readLast(at.d.Layout, c.kind); last != nil {
			seen = max(seen, last.Result.Checked.Blobs, last.Result.Blobs.Total)
		}
	}
	return seen
}

func (a *App) fsckRequest(o fsckOptions) (r fsckRequest, err error) {
	r = fsckRequest{Fast: o.fast, Sparse: o.sparse, Settle: a.settle}
	if o.fast && (o.slice != "" || o.limit != "") {
		return r, usagef("--fast hashes nothing that --slice or --limit could be about")
	}
	if o.slice != "" {
		if r.Slice, err = fsck.ParseSlice(o.slice, a.Now()); err != nil {
			return r, usagef("--slice: %w", err)
		}
	}
	if o.limit != "" {
		if r.Rate, err = fsck.ParseRate(o.limit); err != nil {
			return r, usagef("--limit: %w", err)
		}
	}
	return r, nil
}

func (r fsckRequest) options(tell func(progress)) fsck.Options {
	return fsck.Options{Fast: r.Fast, Slice: r.Slice, Rate: r.Rate, Sparse: r.Sparse, Settle: r.Settle, Progress: fsckProgress(tell)}
}

func (a *App) runFsck(ctx context.Context, o fsckOptions) error {
	req, err := a.fsckRequest(o)
	if err != nil {
		return err
	}
	if o.repair {
		if o.identity != "" && len(o.from) == 0 {
			return usagef("--identity is for --from")
		}
		return a.runFsckRepair(ctx, o, req)
	}
	if len(o.from) > 0 {
		return usagef("--from is for --repair")
	}
	if o.identity != "" {
		return usagef("--identity is for --repair --from")
	}
	at, done, err := a.openReading(ctx, o.root)
	if err != nil {
		return err
	}
	defer done()
	req.Seen = seenOn(at)
	res := &fsckResult{DryRun: a.dryRun, Repairs: []fsck.Step{}, at: at}
	if err := a.do(ctx, at, "fsck", req, &res.Report); err != nil {
		return err
	}
	a.fsckHistory(at, &res.Report)
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(res.Damaged())
}

// fsckFile is what checks of a deployment remember.
const fsckFile = compose.StateDir + "/fsck.json"

// fsckHistory tells a report since when its problems are known. A storage that
// cannot be written to has no history.
func (a *App) fsckHistory(at site, r *fsck.Report) {
	path := filepath.Join(at.root, storage.StateDir, "fsck.json")
	if at.d != nil {
		path = at.d.Path(fsckFile)
	}
	h := fsck.ReadHistory(path)
	h.Add(r, a.Now().UTC().Truncate(time.Second))
	if a.dryRun {
		return
	}
	if err := h.Write(path); err != nil {
		a.ui.Detail("what was found is not remembered: %v", err)
	}
	a.remember(at, "fsck", r)
}

func fsckJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req fsckRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	r, err := fsck.Check(ctx, root, req.options(tell))
	if err != nil {
		if r, err = req.nothing(err); err != nil {
			return nil, err
		}
	}
	return r, nil
}
