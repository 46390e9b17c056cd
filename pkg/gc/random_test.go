package gc

import (
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
)

// randomly is a tree made from a seed, and what to ask a collection of it for.
func randomly(dir string, seed uint64, damage bool) (*gctest.Tree, Options) {
	tree, w := gctest.Random(dir, seed, damage)
	o := Options{
		DeleteUntagged: w.DeleteUntagged, CosignTags: w.CosignTags, UntaggedOlderThan: w.UntaggedOlderThan, Repositories: w.Repositories, Keep: w.Keep,
		Grace: w.Grace, Uploads: w.Uploads, KeepTrash: w.KeepTrash, Workers: w.Workers, Now: func() time.Time { return tree.Now },
	}
	for _, t := range w.Tags {
		o.Tags = append(o.Tags, TagRemoval(t))
	}
	return tree, o
}

// expected are the files that have to be there after a collection, as the oracle
// says.
func expected(dir string, o Options, now time.Time) map[string]bool {
	w := gctest.Wish{
		DeleteUntagged: o.DeleteUntagged, CosignTags: o.CosignTags, UntaggedOlderThan: o.UntaggedOlderThan, Repositories: o.Repositories, Keep: o.Keep,
		Grace: o.Grace, Uploads: o.Uploads, KeepTrash: o.KeepTrash,
	}
	for _, t := range o.Tags {
		w.Tags = append(w.Tags, gctest.Removal(t))
	}
	return gctest.Expect(dir, w, now)
}
