package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/inventory"
	"github.com/regctl/regctl/pkg/pattern"
	"github.com/regctl/regctl/pkg/storage"
)

// errImmutable says that a rule of regctl.yaml protects what was to be removed.
var errImmutable = errors.New("immutable")

// removal is what a person wants to be gone.
type removal struct {
	Repositories []string   `json:"repositories"`
	Tags         []taggedAs `json:"tags"`
	Immutable    []string   `json:"immutable"` // patterns
}

type taggedAs struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
}

// runRemoval removes repositories or tags by a collection that takes them too:
// they go to the same trash, and gc undo puts them back.
func (a *App) runRemoval(ctx context.Context, root, command string, what removal) error {
	if !a.dryRun && !a.yes && !ui.IsTerminal(a.In) {
		return advice.With(errors.New("this removes images, and nobody is here to confirm it"), "add --yes; --dry-run shows what would go")
	}
	at, done, err := a.openSite(ctx, root, command)
	if err != nil {
		return err
	}
	defer done()
	req := gcRequest{Grace: gc.DefaultGrace, KeepTrash: gc.DefaultKeepTrash, DryRun: a.dryRun, Recover: !a.dryRun,
		Items: a.dryRun || a.ui.Verbose, Command: command, Removal: &what}
	if at.d != nil {
		c := at.d.cfg
		what.Immutable = c.Immutable
		req.Grace, req.KeepTrash, req.CosignTags = c.GC.Grace.Std(), c.GC.KeepTrash.Std(), c.GC.CosignTags
		if c.GC.KeepRunning {
			if req.Keep, err = a.digestsInUse(ctx, at.engine); err != nil {
				return err
			}
		}
	}
	if !a.dryRun && !a.yes {
		plan := req
		plan.DryRun, plan.Items = true, true
		res, err := a.collect(ctx, at, plan)
		if err != nil {
			return err
		}
		res.Text(a.Err)
		if !a.ui.Confirm(a.In, "Move it to the trash?") {
			return errors.New("nothing was changed")
		}
	}
	res, err := a.collect(ctx, at, req)
	if err != nil {
		return err
	}
	for _, t := range what.Tags {
		if slices.ContainsFunc(res.Problems, func(p gc.Problem) bool { return p.Damage && p.Repository == t.Repository }) {
			a.ui.Warn("%s:%s stays, since there is damage in its repository", t.Repository, t.Tag)
		}
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	return problemsOf(res.Damaged())
}

// apply adds to a collection's options what is to go. What is immutable, or not
// there, is an error, before anything is changed.
func (r removal) apply(root string, o *gc.Options) error {
	s, err := storage.Open(root)
	if errors.Is(err, storage.ErrNoStorage) && len(r.Repositories)+len(r.Tags) > 0 {
		return &gc.UnknownError{Repository: append(r.Repositories, tagged(r.Tags)...)[0]}
	}
	if err != nil {
		return err
	}
	defer s.Close()
	for _, name := range r.Repositories {
		tags, err := tagsThere(s, name)
		if err != nil {
			return err
		}
		for _, t := range tags {
			if err := r.mutable(name, t.Name); err != nil {
				return err
			}
		}
		o.Repositories = append(o.Repositories, name)
	}
	for _, t := range r.Tags {
		tags, err := tagsThere(s, t.Repository)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(tags, func(there storage.Tag) bool { return there.Name == t.Tag })
		if i < 0 {
			return advice.With(&gc.UnknownError{Repository: t.Repository, Tag: t.Tag}, "regctl tag ls %s lists those that there are", t.Repository)
		}
		if err := r.mutable(t.Repository, t.Tag); err != nil {
			return err
		}
		if tags[i].Digest.IsZero() {
			return advice.With(fmt.Errorf("tag %s:%s is damaged (%s), so it is not known what it is", t.Repository, t.Tag, tags[i].Fault), "push it again, which mends it; regctl fsck tells what is wrong")
		}
		o.Tags = append(o.Tags, gc.TagRemoval{Repository: t.Repository, Tag: t.Tag, Digest: tags[i].Digest, Manifest: true})
	}
	return nil
}

func tagged(tags []taggedAs) (names []string) {
	for _, t := range tags {
		names = append(names, t.Repository)
	}
	return names
}

func (r removal) mutable(repository, tag string) error {
	for _, p := range r.Immutable {
		if pattern.MatchesTagged(p, repository, tag) {
			return advice.With(fmt.Errorf("tag %s:%s is %w by the rule %q", repository, tag, errImmutable, p), "take the rule out of immutable in regctl.yaml if it is to go, then regctl up")
		}
	}
	return nil
}

func tagsThere(s *storage.Store, repository string) ([]storage.Tag, error) {
	r, err := inventory.Open(s, repository)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, advice.With(&gc.UnknownError{Repository: repository}, "regctl repo ls lists those that there are")
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Tags()
}
