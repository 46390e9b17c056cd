package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/pattern"
)

type restoreOptions struct {
	storeFlags
	root         string
	repositories []string
	configOnly   bool
	damaged      bool
}

func newRestoreCommand(a *App) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore [SNAPSHOT|latest]",
		Short: "Bring images, or a whole deployment, back from a backup",
		Long: `Bring back a snapshot, the latest unless another is named. Everything is written
beside what is there, each blob compared with its digest; then the two change
places, the registry being stopped for that moment. What was there is kept in the
volume under .regctl/before-restore-… until you remove it. Times of tags, rights
and owners are as they were.

Where there is no regctl.yaml, the configuration is brought back first, with users,
certificates and keys: then regctl up starts the registry again. Where there is
one, it stays; --config-only brings the configuration back and no images.
--repository brings back single repositories and leaves the others alone.

It refuses to replace content without --yes, or a yes at the terminal.`,
		Example: `  regctl restore --from /mnt/disk2/registry --dir /opt/registry
  regctl restore 20260301T041500Z --repository 'team/**'
  regctl restore --from backup.tar.zst --root /srv/registry`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("restore takes one snapshot, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "latest"
			if len(args) == 1 {
				name = args[0]
			}
			return a.runRestore(cmd.Context(), o, name)
		},
	}
	f := c.Flags()
	f.StringVar(&o.dest, "from", "", "directory, s3://bucket/prefix or exported file (default: backup.target in regctl.yaml)")
	f.StringVar(&o.identity, "identity", "", "age identity file that decrypts it (default: backup.identity in regctl.yaml)")
	f.StringVar(&o.root, "root", "", "storage directory to bring images back into, instead of a deployment's volume; made if it is not there")
	f.StringArrayVar(&o.repositories, "repository", nil, "only repositories of this pattern, such as team/** (may be given several times)")
	f.BoolVar(&o.configOnly, "config-only", false, "only the configuration")
	f.BoolVar(&o.damaged, "damaged", false, "bring back what is left although blobs of the snapshot are missing or damaged")
	return c
}

// restoreResult is what was brought back.
type restoreResult struct {
	DryRun bool   `json:"dry_run" doc:"nothing was changed"`
	From   string `json:"from" doc:"where the backup is"`
	backup.Restored
	Config     []string `json:"config" doc:"files of the configuration that were written"`
	Moved      []string `json:"config_moved" doc:"files that were there and differed"`
	MovedTo    string   `json:"config_moved_to" doc:"where these are now; empty: there were none"`
	DurationMS int64    `json:"duration_ms" doc:"how long it took, in milliseconds"`

	configOnly bool
	next       string
}

func (r *restoreResult) Text(w io.Writer) {
	verb := "brought back"
	if r.DryRun {
		verb = "would bring back"
	}
	if r.configOnly {
		fmt.Fprintf(w, "%s the configuration of snapshot %s of %s", verb, r.Snapshot, r.Time.Local().Format(time.DateTime))
	} else {
		fmt.Fprintf(w, "%s snapshot %s of %s: %s, %s, %s in %s", verb, r.Snapshot, r.Time.Local().Format(time.DateTime),
			count(r.Repositories, "repository"), count(r.Tags, "tag"), ui.Bytes(r.Bytes), count(int(r.Blobs), "blob"))
	}
	if !r.DryRun {
		fmt.Fprintf(w, "; %s", since(time.Duration(r.DurationMS)*time.Millisecond))
	}
	fmt.Fprintln(w)
	if len(r.Config) > 0 || r.configOnly {
		does := "written"
		if r.DryRun {
			does = "would be written"
		}
		fmt.Fprintf(w, "configuration: %s %s\n", count(len(r.Config), "file"), does)
	}
	if r.MovedTo != "" {
		fmt.Fprintf(w, "what was there and differed is in %s\n", r.MovedTo)
	}
	if r.Before != "" {
		fmt.Fprintf(w, "what was there is kept in the volume, in %s; remove it when it is not needed\n", r.Before)
	}
	printBackupProblems(w, r.Problems)
	if r.next != "" {
		fmt.Fprintf(w, "next: %s\n", r.next)
	}
}

func (a *App) runRestore(ctx context.Context, o restoreOptions, name string) error {
	for _, p := range o.repositories {
		if err := pattern.Check(p); err != nil {
			return usagef("--repository %s: %v", p, err)
		}
	}
	if o.configOnly && (o.root != "" || len(o.repositories) > 0) {
		return usagef("--config-only brings no images back: neither --root nor --repository goes with it")
	}
	began := time.Now()
	d, err := a.deploymentIf(o.storeFlags)
	if err != nil {
		return err
	}
	from, err := a.openBackup(ctx, d, o.storeFlags, name)
	if err != nil {
		return err
	}
	defer from.store.Close()
	res := &restoreResult{configOnly: o.configOnly, DryRun: a.dryRun, From: from.name, Config: []string{}, Moved: []string{},
		Restored: backup.Restored{Snapshot: from.snap.ID, Time: from.snap.Time, Problems: []backup.Problem{}}}
	if o.root == "" && (d == nil || o.configOnly) {
		if d, err = a.restoreConfig(ctx, d, from, res); err != nil {
			return err
		}
	}
	if a.dryRun {
		if !o.configOnly {
			s := from.snap
			res.Repositories, res.Tags, res.Blobs, res.Bytes = s.Repositories, s.Tags, int64(s.Blobs), s.Bytes
		}
		return a.ui.Result(res)
	}
	if !o.configOnly {
		if err := a.restoreData(ctx, d, o, from, res); err != nil {
			return err
		}
	}
	res.DurationMS = time.Since(began).Milliseconds()
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(len(res.Problems) > 0)
}

// restoreConfig brings the configuration back into the deployment directory, and
// opens it.
func (a *App) restoreConfig(ctx context.Context, d *deployment, from *opened, res *restoreResult) (*deployment, error) {
	files, err := from.store.Config(ctx, from.snap)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, advice.With(fmt.Errorf("snapshot %s has no configuration", from.snap.ID), "regctl restore --root DIR brings back its images")
	}
	l, err := a.layout()
	if err != nil {
		return nil, err
	}
	if a.dryRun {
		for _, f := range files {
			path := l.Path(f.Path)
			if have, err := os.Lstat(path); !f.Mode.IsDir() && (err != nil || !same(path, have, f)) {
				res.Config = append(res.Config, f.Path)
			}
		}
		return d, nil
	}
	if d != nil {
		if err := a.allow(fmt.Sprintf("Replace the configuration in %s?", l.Dir), l.Dir+" has a configuration"); err != nil {
			return nil, err
		}
	}
	if err := durable.MkdirAll(l.Dir, 0o755); err != nil {
		return nil, err
	}
	held, err := lockDeployment(ctx, l, "restore")
	if err != nil {
		return nil, err
	}
	defer func() { _ = held.Release() }()
	before := compose.StateDir + "/before-restore-" + a.Now().UTC().Format("20060102T150405Z")
	if res.Config, res.Moved, err = writeConfig(l.Dir, before, files); err != nil {
		return nil, err
	}
	if len(res.Moved) > 0 {
		res.MovedTo = l.Path(before)
	}
	if len(res.Config) > 0 || d == nil {
		res.next = "regctl up" + dirFlag(l.Dir)
	}
	return a.open()
}

// allow asks before content is replaced; without a terminal it takes --yes.
func (a *App) allow(question, refusal string) error {
	if a.yes {
		return nil
	}
	if !ui.IsTerminal(a.In) {
		return advice.With(errors.New(refusal), "--yes replaces it; what is there is kept")
	}
	if !a.ui.Confirm(a.In, question) {
		return errors.New("nothing was changed")
	}
	return nil
}

// restoreData brings images back.
func (a *App) restoreData(ctx context.Context, d *deployment, o restoreOptions, from *opened, res *restoreResult) error {
	at, done, err := a.restoreSite(ctx, d, o.root)
	if err != nil {
		return err
	}
	defer done()
	req := restoreRequest{Snapshot: from.snap.ID, Archive: from.archive, Repositories: o.repositories, Damaged: o.damaged}
	p, at := from.on(at)
	req.storeRequest = p.request(from.name, "restore")
	stage := func(ctx context.Context) error { return a.restoreStage(ctx, at, o, req, res) }
	if from.archive {
		err = stage(ctx)
	} else {
		err = from.reading(ctx, "restore", stage)
	}
	if err != nil {
		return err
	}
	if at.root != "" {
		return a.do(ctx, at, "restore swap", req, &res.Restored)
	}
	return a.whileStopped(ctx, at, func() error { return a.do(ctx, at, "restore swap", req, &res.Restored) })
}

// restoreStage prepares what is put in place afterwards, which needs the backup no
// more.
func (a *App) restoreStage(ctx context.Context, at site, o restoreOptions, req restoreRequest, res *restoreResult) error {
	var look lookReply
	if err := a.do(ctx, at, "restore look", req, &look); err != nil {
		return err
	}
	if look.Occupied {
		question := "Replace all images by those of the backup? What is there is kept beside."
		if len(o.repositories) > 0 {
			question = fmt.Sprintf("Replace the repositories %s by those of the backup? What is there is kept beside.", strings.Join(o.repositories, ", "))
		}
		if err := a.allow(question, "there are images already"); err != nil {
			return err
		}
	}
	return a.do(ctx, at, "restore stage", req, &res.Restored)
}
