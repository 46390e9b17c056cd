package gc

import (
	"context"
	"slices"

	"github.com/regctl/regctl/pkg/storage"
)

// mark looks at every repository, then at every blob.
func (r *Run) mark(ctx context.Context) error {
	names, unknown, err := r.store.Repositories(ctx)
	if err != nil {
		return err
	}
	for _, p := range unknown {
		r.result.Problems = append(r.result.Problems, Problem{p, false})
	}
	for _, name := range names {
		r.repos = append(r.repos, &repo{name: name, remove: slices.Contains(r.opts.Repositories, name)})
	}
	for _, name := range r.opts.Repositories {
		if _, ok := slices.BinarySearch(names, name); !ok {
			return &UnknownError{Repository: name}
		}
	}
	if err := r.known(names); err != nil {
		return err
	}
	done := int64(0)
	err = storage.Each(r.workers, len(r.repos), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := r.scanRepository(int32(i))
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.take(s)
		done++
		r.progress(Progress{Phase: PhaseMark, Done: done, Total: int64(len(r.repos))})
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.blobs(ctx); err != nil {
		return err
	}
	for k := range r.items {
		if k != kindBlob {
			slices.SortFunc(r.items[k], compareItems)
		}
	}
	r.result.Repositories = len(r.repos)
	slices.SortStableFunc(r.result.Problems, func(a, b Problem) int {
		return cmpStrings(a.Repository, b.Repository, a.Path, b.Path, a.ID, b.ID)
	})
	return nil
}

// UnknownError says that what was to be removed is not there.
type UnknownError struct{ Repository, Tag string }

func (e *UnknownError) Error() string {
	if e.Tag != "" {
		return "no such tag: " + e.Repository + ":" + e.Tag
	}
	return "no such repository: " + e.Repository
}

// known makes sure that the tags' repositories are there: a mistyped name must
// not pass for a tag that went meanwhile.
func (r *Run) known(names []string) error {
	for _, t := range r.opts.Tags {
		if _, ok := slices.BinarySearch(names, t.Repository); !ok {
			return &UnknownError{t.Repository, t.Tag}
		}
	}
	return nil
}

// take takes what a scan found. The caller holds the lock.
func (r *Run) take(s *scan) {
	r.result.Problems = append(r.result.Problems, s.problems...)
	r.result.Manifests.Kept += s.revs.Kept
	r.result.Manifests.Deleted += s.revs.Deleted
	r.result.Tags.Kept += s.tagCount.Kept
	r.result.Tags.Deleted += s.tagCount.Deleted
	for _, it := range s.items {
		r.items[it.kind] = append(r.items[it.kind], it)
	}
	s.repo.known = slices.Clip(s.repo.known)
	r.repos[s.at] = s.repo
}
