package inventory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Fact is what is to be known of a tag before it may go.
type Fact struct {
	Repository string
	Tag        string
	Digest     storage.Digest // zero: it cannot be read
	Pushed     time.Time
	// Reaches are the manifests of an index, and the configs, whose digests are
	// what an Engine calls the ID of an image.
	Reaches []storage.Digest
}

// Facts lists the facts of every tag of the registry, by repository. A tag whose
// manifest cannot be read, or not whole, has no digest: nobody knows what it is.
func Facts(ctx context.Context, s *storage.Store) ([]Fact, error) {
	names, _, err := s.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	facts, errs := make([][]Fact, len(names)), make([]error, len(names))
	each(ctx, len(names), func(i int) { facts[i], errs[i] = factsOf(s, names[i]) })
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, err
	}
	return slices.Concat(facts...), nil
}

func factsOf(s *storage.Store, name string) ([]Fact, error) {
	r, err := s.Repository(name, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tags, err := r.Tags()
	if err != nil {
		return nil, err
	}
	c := newContents(s)
	facts := make([]Fact, 0, len(tags))
	for _, t := range tags {
		f := Fact{Repository: name, Tag: t.Name, Digest: t.Digest, Pushed: t.Pushed}
		if !f.Digest.IsZero() {
			err := c.reach(t.Digest, 0, func(d storage.Digest, _ int64, m *storage.Manifest) {
				if m == nil {
					return
				}
				if d != t.Digest {
					f.Reaches = append(f.Reaches, d)
				}
				if m.Config != nil {
					f.Reaches = append(f.Reaches, m.Config.Digest)
				}
			})
			if err != nil {
				f.Digest = storage.Digest{}
			}
		}
		facts = append(facts, f)
	}
	return facts, nil
}
