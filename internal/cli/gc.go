package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage"
)

type gcOptions struct {
	root              string
	deleteUntagged    bool
	untaggedOlderThan time.Duration
	grace             time.Duration
	keepTrash         time.Duration
}

func newGCCommand(a *App) *cobra.Command {
	var o gcOptions
	c := &cobra.Command{
		Use:   "gc",
		Short: "Free what no image needs any more, while the registry runs",
		Long: `Find blobs, links, uploads and empty repositories that nothing needs, and move
them to a trash on the same volume. The registry runs on; pushes wait for as
long as the move takes. Untagged manifests stay unless --delete-untagged.

Tags go by the rules under retention in regctl.yaml; --dry-run says of each why it
stays or goes. Rules that take every tag of a repository, or more of all tags than
retention.max_delete, need --yes, from cron too.

What went can be put back with regctl gc undo until its trash is freed. Each run
frees the trash that is older than --keep-trash.

Where content is damaged, everything that its repository links is kept, and the
exit status is 3. At a terminal it shows what would go and asks; from cron it
does not ask.

With --root it works on a storage directory, without Docker. It then cannot hold
pushes back: what is younger than --grace stays, and what a push needs after all
is put back. Object storage (S3) is not collected by regctl.`,
		Example: `  regctl gc --dry-run
  regctl gc --delete-untagged --untagged-older-than 168h
  regctl gc undo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runGC(cmd.Context(), cmd, o) },
	}
	f := c.Flags()
	f.StringVar(&o.root, "root", "", "storage directory of a registry (holds docker/registry/v2) instead of a deployment's volume")
	f.BoolVar(&o.deleteUntagged, "delete-untagged", false, "also manifests that no tag, index or subject needs")
	spanVar(f, &o.untaggedOlderThan, "untagged-older-than", gc.DefaultUntagged, "of those, keep what was pushed or tagged since then")
	spanVar(f, &o.grace, "grace", gc.DefaultGrace, "keep what was written or linked since then: a push that is under way needs it")
	spanVar(f, &o.keepTrash, "keep-trash", gc.DefaultKeepTrash, "how long it can be undone; 0s frees at once")
	c.AddCommand(newGCUndoCommand(a), newGCPurgeCommand(a))
	return c
}

// gcResult is what a collection did or would do.
type gcResult struct {
	gc.Result
	Items      []string   `json:"items" doc:"with --dry-run or --verbose: what goes, a line each"`
	TrashBytes int64      `json:"trash_bytes" doc:"bytes of blobs in the trash of all collections: what freeing it would give"`
	TrashUntil *time.Time `json:"trash_until" doc:"when a later collection frees what this one took; null: it took nothing"`
	Disk       diskRoom   `json:"disk" doc:"file system of the images"`

	Retention *retentionResult `json:"retention" doc:"what the rules of regctl.yaml say; null: there are none"`

	at site
}

func (r *gcResult) Text(w io.Writer) {
	verb := "moved to the trash"
	if r.DryRun {
		verb = "would move to the trash"
		for _, i := range r.Items {
			fmt.Fprintf(w, "%s\n", i)
		}
	}
	if r.Retention != nil {
		r.Retention.text(w, r.DryRun)
	}
	switch {
	case r.Blobs.Deleted+r.Manifests.Deleted+r.Tags.Deleted+r.Links+r.Uploads+r.Emptied == 0:
		fmt.Fprintf(w, "nothing to collect: %s in %s of %s is needed or too young\n", ui.Bytes(r.Bytes.Kept), count(int(r.Blobs.Kept), "blob"), count(r.Repositories, "repository"))
	default:
		fmt.Fprintf(w, "%s: %s in %d of %d blobs, %d of %d manifests, %d of %d tags, %d links, %d uploads, %d repositories\n", verb, ui.Bytes(r.Bytes.Freed),
			r.Blobs.Deleted, r.Blobs.Total, r.Manifests.Deleted, r.Manifests.Deleted+r.Manifests.Kept, r.Tags.Deleted, r.Tags.Deleted+r.Tags.Kept, r.Links, r.Uploads, r.Emptied)
	}
	if !r.DryRun {
		if r.PutBack > 0 {
			fmt.Fprintf(w, "put back %d that were needed after all\n", r.PutBack)
		}
		if r.Purged > 0 {
			fmt.Fprintf(w, "freed %s of old trash\n", ui.Bytes(r.Purged))
		}
		if r.HoldMS > 0 {
			fmt.Fprintf(w, "pushes waited %s of %s\n", since(time.Duration(r.HoldMS)*time.Millisecond), since(time.Duration(r.DurationMS)*time.Millisecond))
		}
		if r.TrashUntil != nil {
			fmt.Fprintf(w, "regctl gc undo%s puts it back, until %s\n", r.at.flag(), r.TrashUntil.Local().Format("2006-01-02 15:04"))
		}
	}
	printProblems(w, r.Problems)
	if r.Disk.nearlyFull() && r.TrashBytes > 0 {
		fmt.Fprintf(w, "the disk is nearly full (%s free of %s): regctl gc purge --keep-trash 0s%s frees %s now\n",
			ui.Bytes(r.Disk.Free), ui.Bytes(r.Disk.Total), r.at.flag(), ui.Bytes(r.TrashBytes))
	}
}

// printProblems lists problems, those that need a person first.
func printProblems(w io.Writer, problems []gc.Problem) {
	for _, damage := range []bool{true, false} {
		mark := "!"
		if !damage {
			mark = "-"
		}
		for _, p := range problems {
			if p.Damage == damage {
				fmt.Fprintf(w, "%s %s: %s (%s)\n", mark, where(p.Problem), p.Message, p.ID)
			}
		}
	}
}

// where names the place of a problem for a person.
func where(p storage.Problem) string {
	switch {
	case p.Repository != "" && p.Path != "":
		return p.Repository + " at " + p.Path
	case p.Repository != "":
		return p.Repository
	}
	return p.Path
}

func (a *App) runGC(ctx context.Context, cmd *cobra.Command, o gcOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	at, done, err := a.openSite(ctx, o.root, "gc")
	if err != nil {
		return err
	}
	defer done()
	if at.d != nil {
		o.fromConfig(cmd, at.d.cfg.GC)
	}
	req := gcRequest{DeleteUntagged: o.deleteUntagged, UntaggedOlderThan: o.untaggedOlderThan, Grace: o.grace, KeepTrash: o.keepTrash,
		DryRun: a.dryRun, Recover: !a.dryRun, Items: a.dryRun || a.ui.Verbose, Command: "gc"}
	if at.d != nil {
		req.CosignTags = at.d.cfg.GC.CosignTags
		if at.d.cfg.GC.KeepRunning {
			if req.Keep, err = a.digestsInUse(ctx, at.engine); err != nil {
				return err
			}
		}
		if req.Retention, err = a.retention(ctx, at); err != nil {
			return err
		}
	}
	if !a.dryRun && !a.yes && ui.IsTerminal(a.In) {
		plan := req
		plan.DryRun, plan.Items = true, true
		res, err := a.collect(ctx, at, plan)
		if err != nil {
			return err
		}
		if a.ui.JSON {
			res.Text(a.Err)
		} else {
			res.Text(a.Out)
		}
		if res.nothing() {
			return problemsOf(res.Damaged())
		}
		if !a.ui.Confirm(a.In, "Move it to the trash?") {
			return errors.New("nothing was changed")
		}
		if req.Retention != nil {
			req.Retention.Consent = true // to what was just shown
		}
	}
	res, err := a.collect(ctx, at, req)
	if err != nil {
		return err
	}
	if !a.dryRun {
		a.remember(at, "gc", res)
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(res.Damaged())
}

func (o gcOptions) check() error {
	for name, d := range map[string]time.Duration{"--untagged-older-than": o.untaggedOlderThan, "--grace": o.grace, "--keep-trash": o.keepTrash} {
		if d < 0 {
			return usagef("%s %s is in the future", name, d)
		}
	}
	return nil
}

func (r *gcResult) nothing() bool {
	return r.Blobs.Deleted+r.Manifests.Deleted+r.Tags.Deleted+r.Links+r.Uploads+r.Emptied == 0
}

// collect has the job done where the images are.
func (a *App) collect(ctx context.Context, at site, req gcRequest) (*gcResult, error) {
	at.reads = req.DryRun && !req.Recover
	req.Seen = seenOn(at)
	var reply gcReply
	if err := a.do(ctx, at, "gc", req, &reply); err != nil {
		return nil, err
	}
	res := &gcResult{Result: reply.Result, Items: reply.Items, Disk: reply.Disk, Retention: reply.Retention, at: at}
	for _, t := range reply.Trash {
		res.TrashBytes += t.Bytes
		if t.Run == reply.Run && reply.Run != "" {
			until := t.At.Add(req.KeepTrash)
			res.TrashUntil = &until
		}
	}
	return res, nil
}

// problemsOf is the error of a command that did its work and met damage.
func problemsOf(damaged bool) error {
	if damaged {
		return errProblems
	}
	return nil
}

// lastFile is where the last result of a kind of work is kept.
func lastFile(kind string) string { return compose.StateDir + "/last-" + kind + ".json" }

// remember keeps the last result of a kind of work, for `regctl status`. Failing
// to do so is no reason to fail.
func (a *App) remember(at site, kind string, result any) {
	if at.d == nil {
		return
	}
	last := struct {
		At     time.Time `json:"at"`
		Result any       `json:"result"`
	}{a.Now(), result}
	if err := writeJSON(at.d.Layout, lastFile(kind), last); err != nil {
		a.ui.Warn("the result was not kept for regctl status: %v", err)
	}
}
