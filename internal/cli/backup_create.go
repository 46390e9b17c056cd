package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

type createOptions struct {
	to         string
	root       string
	recipients []string
	anew       bool
}

func (o *createOptions) register(c *cobra.Command) {
	c.Flags().StringVar(&o.to, "to", "", "directory or s3://bucket/prefix (default: backup.target in regctl.yaml)")
	c.Flags().StringVar(&o.root, "root", "", "storage directory of a registry (holds docker/registry/v2) instead of a deployment's volume")
	c.Flags().BoolVar(&o.anew, "new", false, "begin anew where the last backup went and there is none any more")
	c.Flags().StringArrayVar(&o.recipients, "recipient", nil, "age public key to encrypt to (default: backup.recipients in regctl.yaml)")
}

func newBackupCreateCommand(a *App) *cobra.Command {
	var o createOptions
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a backup while the registry runs",
		Long: `Make a backup of every image and tag, and of the deployment's configuration. The
registry runs on. Blobs that the target has already are not written again, so
that a run which was interrupted goes on where it was.

A blob that does not match its digest is told, never stored in place of a good
one, and the rest is backed up; the exit status is then 3. Tags that are deleted
meanwhile are told and left out.

Credentials for s3:// come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or
from the file that backup.credentials in regctl.yaml names.`,
		Example: `  regctl backup create --to /mnt/disk2/registry
  regctl backup create --root /srv/registry --to s3://backups/registry`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runBackupCreate(cmd.Context(), o) },
	}
	o.register(c)
	return c
}

// createRequest is what the job is told.
type createRequest struct {
	storeRequest
	Project  string              `json:"project"`
	Versions map[string]string   `json:"versions"`
	Config   []backup.ConfigFile `json:"config"`
	DryRun   bool                `json:"dry_run"`
	// Seen is that of [fsckRequest].
	Seen int `json:"seen"`
}

// createResult is what a backup did.
type createResult struct {
	backup.Result
	Target    string `json:"target" doc:"where the backup is"`
	Encrypted bool   `json:"encrypted" doc:"it takes an identity to read it"`
	SameDisk  bool   `json:"same_disk" doc:"the target is on the file system of the images: what breaks one breaks both"`
}

func (r *createResult) Text(w io.Writer) {
	verb := "backed up"
	if r.DryRun {
		verb = "would back up"
	}
	fmt.Fprintf(w, "%s %s, %s, %s in %s; new to %s: %s in %s; %s\n", verb, count(r.Repositories, "repository"), count(r.Tags, "tag"),
		ui.Bytes(r.Bytes.Total), count(int(r.Blobs.Total), "blob"), r.Target, ui.Bytes(r.Bytes.New), count(int(r.Blobs.New), "blob"), since(time.Duration(r.DurationMS)*time.Millisecond))
	if r.Snapshot != "" {
		fmt.Fprintf(w, "snapshot %s\n", r.Snapshot)
	}
	for _, d := range r.Dropped {
		fmt.Fprintf(w, "- %s:%s was deleted meanwhile and is not in it\n", d.Repository, d.Tag)
	}
	printBackupProblems(w, r.Problems)
}

func (a *App) runBackupCreate(ctx context.Context, o createOptions) error {
	at, done, err := a.backupSite(ctx, o.root, "backup create")
	if err != nil {
		return err
	}
	defer done()
	d := at.d
	if d == nil && o.to == "" {
		if d, err = a.open(); err != nil {
			return err
		}
	}
	p, err := a.depot(d, storeFlags{dest: o.to})
	if err != nil {
		return err
	}
	if len(o.recipients) > 0 {
		p.recipients = o.recipients
		if _, err := backup.NewKeys(p.recipients, nil); err != nil {
			return usagef("--recipient: %v", err)
		}
	}
	// Checked here, before a container is made for nothing.
	if _, err := backup.NewKeys(p.recipients, nil); err != nil {
		return err
	}
	name := p.dest
	req := createRequest{Versions: map[string]string{"regctl": version().Version}, DryRun: a.dryRun, Seen: -1}
	if at.d != nil {
		req.Project, req.Versions["registry"], req.Versions["nginx"] = at.d.cfg.Project, at.d.cfg.Registry.Image, at.d.cfg.Nginx.Image
		if req.Config, err = configFiles(at.d.Dir); err != nil {
			return err
		}
		if len(p.recipients) == 0 && !backup.IsDirectory(p.dest) {
			a.ui.Warn("the backup is not encrypted, and it holds the private keys and password hashes of this deployment; backup.recipients in regctl.yaml")
		}
	}
	if at.d != nil {
		var last struct {
			Result createResult `json:"result"`
		}
		_ = readJSON(at.d.Path(lastFile("backup")), &last) // without one nothing is expected
		req.Seen = seenOn(at)
		if !a.dryRun {
			if err := p.onHost(ctx, last.Result.Target == p.dest && !o.anew); err != nil {
				return err
			}
		}
	}
	if backup.IsDirectory(p.dest) && !a.dryRun {
		if err := durable.MkdirAll(p.dest, 0o700); err != nil {
			return err
		}
	}
	if _, err := os.Stat(p.dest); a.dryRun && backup.IsDirectory(p.dest) && errors.Is(err, fs.ErrNotExist) {
		at.binds = nil // it would be made, so there is nothing yet to be mounted
	} else {
		p, at = p.on(at)
	}
	p.identity = nil // none is needed, so none is handed on
	req.storeRequest = p.request(name, "backup create")
	res := &createResult{Target: name}
	if err := a.do(ctx, at, "backup create", req, res); err != nil {
		return err
	}
	if res.SameDisk {
		a.ui.Warn("%s is on the same file system as the images: what breaks one breaks both", name)
	}
	if !a.dryRun {
		a.remember(at, "backup", res)
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(len(res.Problems) > 0)
}

// backupSite is openSite without asking whether content could be taken away: a
// backup only reads.
func (a *App) backupSite(ctx context.Context, root, command string) (_ site, done func(), err error) {
	if root != "" {
		root, err = checkRoot(root)
		return site{root: root}, func() {}, err
	}
	d, err := a.open()
	if err != nil {
		return site{}, nil, err
	}
	at := site{d: d, reads: a.dryRun}
	release := func() {}
	if !a.dryRun {
		held, err := lockDeployment(ctx, d.Layout, command)
		if err != nil {
			return site{}, nil, err
		}
		release = func() { _ = held.Release() }
	}
	if at.engine, err = a.Connect(ctx); err != nil {
		release()
		return site{}, nil, err
	}
	return at, func() { at.engine.Close(); release() }, nil
}

func backupCreateJob(ctx context.Context, root string, options json.RawMessage, tell func(progress)) (any, error) {
	var req createRequest
	if err := json.Unmarshal(options, &req); err != nil {
		return nil, err
	}
	t, keys, err := req.target(!req.DryRun)
	var s *backup.Store
	switch {
	case req.DryRun && errors.Is(err, backup.ErrNoStore):
		s, err = backup.Imagined(req.Name, keys), nil
	case err != nil:
		return nil, err
	case req.DryRun:
		if s, err = backup.Open(ctx, t, keys); errors.Is(err, backup.ErrNoStore) {
			s, err = backup.Imagined(req.Name, keys), t.Close()
		}
	default:
		s, err = backup.Create(ctx, t, keys)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	defer s.Close()
	s.As(req.Host)
	res, err := s.Create(ctx, root, backup.Options{Project: req.Project, Versions: req.Versions, Config: req.Config, Command: req.Command,
		AllowEmpty: req.Seen == 0, DryRun: req.DryRun, Progress: backupProgress(tell)})
	if errors.Is(err, storage.ErrNoStorage) && req.Seen > 0 {
		return nil, lostVolume(req.Seen)
	}
	if err != nil {
		return nil, err
	}
	return createResult{Result: *res, Target: req.Name, Encrypted: s.Encrypted(), SameDisk: sameDisk(root, req.Dest)}, nil
}

// sameDisk tells whether two directories are on one file system.
func sameDisk(a, b string) bool {
	if !backup.IsDirectory(b) {
		return false
	}
	device := func(path string) (uint64, bool) {
		fi, err := os.Stat(path)
		if err != nil {
			return 0, false
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			return 0, false
		}
		return uint64(st.Dev), true
	}
	x, ok1 := device(a)
	y, ok2 := device(b)
	return ok1 && ok2 && x == y
}
