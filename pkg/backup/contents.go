package backup

import (
	"context"

	"github.com/regctl/regctl/pkg/storage"
)

// Contents is what a snapshot lists of the chosen repositories: what a restore of
// them is to bring back.
type Contents struct {
	Repositories []string
	Tags         int
	Blobs        int
	Bytes        int64 // of the blobs
	// Room is what they take on a disk, at most about: small files take a block, and
	// each link has directories of its own.
	Room int64
}

// block is what the smallest file takes, and a small directory.
const block = 4096

// Contents reads a snapshot's listing. A nil match chooses all repositories; none
// that matches is [ErrNothingMatches].
func (s *Store) Contents(ctx context.Context, snap *Snapshot, match func(repository string) bool) (*Contents, error) {
	st := &staging{src: s, opts: RestoreOptions{Match: match}, out: &Restored{}}
	need, err := st.needed(ctx, snap)
	if err != nil {
		return nil, err
	}
	c := &Contents{Blobs: need.len()}
	for _, size := range need.all() {
		c.Bytes += size
		c.Room += (size+block-1)&^(block-1) + block
	}
	chosen := func(name string) bool { return match == nil || match(name) }
	err = s.listing(ctx, snap.ID, listingName, listingReader{
		repository: func(name string, _ Ownership) error {
			if chosen(name) {
				c.Repositories = append(c.Repositories, name)
			}
			return ctx.Err()
		},
		link: func(name string, e entry) error {
			if chosen(name) {
				c.Room += 2 * block
				if e.kind == tagLink {
					c.Tags++
					c.Room += 2 * block
				}
			}
			return nil
		},
	})
	return c, err
}

// Manifest is a tag of a snapshot, or with no tag a manifest that a repository
// has.
type Manifest struct {
	Repository, Tag string
	Digest          storage.Digest
}

// EachManifest calls f with the tags and manifests of the chosen repositories, one
// repository after the other. They may only be believed when it returns nil.
func (s *Store) EachManifest(ctx context.Context, snap *Snapshot, match func(repository string) bool, f func(Manifest) error) error {
	return s.listing(ctx, snap.ID, listingName, listingReader{link: func(name string, e entry) error {
		if e.kind != tagLink && e.kind != revisionLink || match != nil && !match(name) {
			return nil
		}
		return f(Manifest{name, e.tag, e.digest})
	}})
}
