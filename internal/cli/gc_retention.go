package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/accesslog"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/inventory"
	"github.com/regctl/regctl/pkg/retention"
	"github.com/regctl/regctl/pkg/storage"
)

// retentionRequest is what the rules of regctl.yaml are judged by, beside the
// storage itself.
type retentionRequest struct {
	Policy  retention.Policy   `json:"policy"`
	Running *retention.Running `json:"running"`
	Usage   accesslog.Usage    `json:"usage"`
	Now     time.Time          `json:"now"`
	Consent bool               `json:"consent"` // somebody agreed to however much
}

// retentionResult is what the rules say of each tag.
type retentionResult struct {
	Deleted int            `json:"deleted" doc:"tags that a rule lets go"`
	Kept    int            `json:"kept" doc:"tags that stay"`
	Consent string         `json:"consent" doc:"why it takes --yes; empty: it does not"`
	Tags    []retentionTag `json:"tags" doc:"with --dry-run every tag that a rule is about, else those that went"`
}

type retentionTag struct {
	Repository string     `json:"repository" doc:"name"`
	Tag        string     `json:"tag" doc:"name"`
	Digest     string     `json:"digest" doc:"of its manifest; empty: it cannot be read"`
	Pushed     *time.Time `json:"pushed" doc:"time; null: unknown"`
	Delete     bool       `json:"delete" doc:"it goes"`
	Rules      []string   `json:"rules" doc:"paths in regctl.yaml of the rules that are about it"`
	Why        string     `json:"why" doc:"what keeps it: the name of a rule's part, immutable, running, shared-digest, time-unknown, times-lost or unreadable; empty: nothing"`
	Reason     string     `json:"reason" doc:"the same for a person"`
}

// text writes the rules' part of a collection for a person.
func (r *retentionResult) text(w io.Writer, dryRun bool) {
	if dryRun {
		for _, t := range r.Tags {
			verb := "keep tag"
			if t.Delete {
				verb = "delete tag"
			}
			fmt.Fprintf(w, "%s %s:%s: %s\n", verb, t.Repository, t.Tag, t.Reason)
		}
		fmt.Fprintf(w, "the rules of retention let %d of %d tags go\n", r.Deleted, r.Deleted+r.Kept)
	} else if r.Deleted > 0 {
		fmt.Fprintf(w, "the rules of retention let %d of %d tags go\n", r.Deleted, r.Deleted+r.Kept)
	}
	if r.Consent != "" && dryRun {
		fmt.Fprintf(w, "! %s: that takes --yes\n", r.Consent)
	}
}

// fromConfig takes what no flag says from regctl.yaml.
func (o *gcOptions) fromConfig(cmd *cobra.Command, c config.GC) {
	set := cmd.Flags().Changed
	if !set("delete-untagged") {
		o.deleteUntagged = c.DeleteUntagged
	}
	for name, d := range map[string]struct {
		to   *time.Duration
		from config.Duration
	}{"untagged-older-than": {&o.untaggedOlderThan, c.UntaggedOlderThan}, "grace": {&o.grace, c.Grace}, "keep-trash": {&o.keepTrash, c.KeepTrash}} {
		if !set(name) {
			*d.to = d.from.Std()
		}
	}
}

// policyOf is regctl.yaml's retention.
func policyOf(c *config.Config) retention.Policy {
	p := retention.Policy{Immutable: c.Immutable, KeepRunning: c.GC.KeepRunning, MaxDelete: c.Retention.MaxDelete}
	for _, r := range c.Retention.Rules {
		p.Rules = append(p.Rules, retention.Rule{
			Repositories: r.Repositories, Tags: r.Tags, KeepLast: r.KeepLast, KeepWithin: r.KeepWithin.Std(), KeepTags: r.KeepTags,
			KeepPulledWithin: r.KeepPulledWithin.Std(),
			KeepSemver:       retention.Semver{Majors: r.KeepSemver.Majors, Minors: r.KeepSemver.Minors, Patches: r.KeepSemver.Patches},
		})
	}
	return p
}

// retention is what the rules are judged by, nil where there are none.
func (a *App) retention(ctx context.Context, at site) (*retentionRequest, error) {
	if at.d == nil || len(at.d.cfg.Retention.Rules) == 0 {
		return nil, nil
	}
	r := &retentionRequest{Policy: policyOf(at.d.cfg), Now: a.Now(), Consent: a.yes}
	if r.Policy.KeepRunning {
		images, err := at.engine.ImagesInUse(ctx)
		if err != nil {
			return nil, err
		}
		r.Running = runningOf(images)
	}
	longest := time.Duration(0)
	for _, rule := range r.Policy.Rules {
		longest = max(longest, rule.KeepPulledWithin)
	}
	if longest > 0 {
		usage, err := a.usage(ctx, at, longest)
		if err != nil {
			return nil, err
		}
		r.Usage = usage
	}
	return r, nil
}

// runningOf makes a lookup of the images in use. A name counts for this registry
// whatever host it is under, since a registry has many names; one without a host
// is of Docker Hub.
func runningOf(images []engine.InUse) *retention.Running {
	r := &retention.Running{Tags: map[string]string{}, Digests: map[string]string{}}
	for _, i := range images {
		by := i.Container[:min(12, len(i.Container))]
		for _, text := range i.Tags {
			named, err := reference.ParseDockerRef(text)
			if err != nil || reference.Domain(named) == "docker.io" {
				continue
			}
			switch ref := named.(type) {
			case reference.Tagged:
				r.Tags[reference.Path(named)+":"+ref.Tag()] = by
			case reference.Digested:
				r.Digests[ref.Digest().String()] = by
			}
		}
		for _, text := range i.Digests {
			if _, digest, ok := strings.Cut(text, "@"); ok {
				r.Digests[digest] = by
			}
		}
	}
	return r
}

// pullsFile keeps, between runs, who pulled what when: the log goes with Nginx's
// container, and the Engine cuts it off.
const pullsFile = compose.StateDir + "/pulls.json"

// usage is what is known of pulls: what was kept, and what the log says since.
func (a *App) usage(ctx context.Context, at site, longest time.Duration) (accesslog.Usage, error) {
	var before, now accesslog.Usage
	if err := readJSON(at.d.Path(pullsFile), &before); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.ui.Warn("%s cannot be read, so it is known since the start of the log only who pulled what: %v", pullsFile, err)
		before = accesslog.Usage{}
	}
	containers, err := at.engine.Containers(ctx, at.d.cfg.Project)
	if err != nil {
		return before, err
	}
	if c, ok := find(containers, compose.ServiceNginx); ok {
		if err := at.engine.Logs(ctx, c.ID, before.Until, now.Reader()); err != nil {
			return before, fmt.Errorf("access log: %w", err)
		}
	}
	all := now.After(before)
	all.Forget(a.Now().Add(-2 * longest))
	if a.dryRun {
		return all, nil
	}
	return all, writeJSON(at.d.Layout, pullsFile, all)
}

// plan judges every tag of the storage.
func (r *retentionRequest) plan(ctx context.Context, root string) (*retention.Plan, error) {
	s, err := storage.Open(root)
	if errors.Is(err, storage.ErrNoStorage) {
		return &retention.Plan{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	facts, err := inventory.Facts(ctx, s)
	if err != nil {
		return nil, err
	}
	f := retention.Facts{Now: r.Now, Pulls: r.Usage.Since, Running: r.Running}
	for _, t := range facts {
		tag := retention.Tag{Repository: t.Repository, Name: t.Tag, Digest: t.Digest.String(), Pushed: t.Pushed}
		references := []string{t.Tag}
		if !t.Digest.IsZero() {
			references = append(references, tag.Digest)
		}
		for _, d := range t.Reaches {
			tag.Reaches = append(tag.Reaches, d.String())
		}
		tag.Pulled = r.Usage.LastPull(t.Repository, append(references, tag.Reaches...)...)
		f.Tags = append(f.Tags, tag)
	}
	return retention.Make(r.Policy, f)
}

// apply adds what the rules let go to the options of a collection. Without
// consent it refuses a plan that takes too much, unless it is only to be shown.
func (r *retentionRequest) apply(ctx context.Context, root string, o *gc.Options) (*retentionResult, error) {
	plan, err := r.plan(ctx, root)
	if err != nil {
		return nil, err
	}
	out := &retentionResult{Deleted: plan.Deleted, Kept: len(plan.Decisions) - plan.Deleted, Tags: []retentionTag{}}
	if err := plan.Consent(); err != nil {
		if !o.DryRun && !r.Consent {
			return nil, advice.With(err, "regctl gc --dry-run shows each tag and why; add --yes if that is meant")
		}
		out.Consent = err.Error()
	}
	for _, d := range plan.Decisions {
		if d.Delete {
			digest, err := storage.ParseDigest(d.Digest)
			if err != nil {
				return nil, err
			}
			o.Tags = append(o.Tags, gc.TagRemoval{Repository: d.Repository, Tag: d.Name, Digest: digest, Manifest: true})
		}
		if d.Delete || o.DryRun && len(d.Rules) > 0 {
			t := retentionTag{Repository: d.Repository, Tag: d.Name, Digest: d.Digest, Delete: d.Delete, Rules: []string{}, Why: string(d.Why), Reason: d.Text}
			if !d.Pushed.IsZero() {
				t.Pushed = &d.Pushed
			}
			for _, i := range slices.Sorted(slices.Values(d.Rules)) {
				t.Rules = append(t.Rules, fmt.Sprintf("retention.rules[%d]", i))
			}
			out.Tags = append(out.Tags, t)
		}
	}
	return out, nil
}
