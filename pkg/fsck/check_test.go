package fsck

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

func run(t testing.TB, dir string, o Options) *Report {
	t.Helper()
	if o.Settle == 0 {
		o.Settle = time.Millisecond
	}
	r, err := Check(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// refer describes a manifest of the tree with its right size.
func refer(tree *storagetest.Tree, d storage.Digest) storagetest.Descriptor {
	info, err := os.Stat(tree.Path(storage.BlobPath(d) + "/data"))
	if err != nil {
		panic(err)
	}
	return storagetest.Descriptor{MediaType: storagetest.OCIManifest, Digest: d.String(), Size: int(info.Size())}
}

func index(tree *storagetest.Tree, repo string, children ...storage.Digest) storage.Digest {
	m := storagetest.Manifest{SchemaVersion: 2, MediaType: storagetest.OCIIndex, Manifests: []storagetest.Descriptor{}}
	for _, d := range children {
		m.Manifests = append(m.Manifests, refer(tree, d))
	}
	return tree.Manifest(repo, m)
}

// sample is a tree of everything that is legal, and its parts.
type sample struct {
	*storagetest.Tree
	image, arm, index, untagged storage.Digest
	layer, config               storage.Digest
}

func newSample(t testing.TB) sample {
	tree := storagetest.New(t.TempDir())
	s := sample{Tree: tree}
	s.image = tree.Image("team/app", "config", "layer one", "layer two")
	s.layer, s.config = storage.SHA256.Of([]byte("layer one")), storage.SHA256.Of([]byte("config"))
	s.arm = tree.Image("team/app", "config arm", "layer arm")
	s.index = index(tree, "team/app", s.image, s.arm)
	tree.Tag("team/app", "1", s.image)
	tree.Tag("team/app", "multi", s.index)
	s.untagged = tree.Image("team/app", "config untagged", "layer one")
	other := tree.Image("team", "config other", "layer one")
	tree.Tag("team", "x", other)
	// By its sha512, and from elsewhere, and empty, and a signature.
	alias := tree.Alias("alias", "an alias")
	config := tree.Layer("alias", "{}")
	tree.Tag("alias", "a", tree.Manifest("alias", storagetest.Manifest{SchemaVersion: 2, Config: &config, Layers: []storagetest.Descriptor{alias,
		{Digest: storage.SHA256.Of([]byte("foreign")).String(), Size: 7, URLs: []string{"https://example.com/x"}}, tree.Layer("alias", "")}}))
	tree.Referrer("team/app", s.image, "a signature")
	return s
}

func ids(r *Report) (out []string) {
	for _, p := range r.Problems {
		out = append(out, p.ID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func broken(r *Report) (out []string) {
	for _, b := range r.Broken {
		out = append(out, b.Repository+":"+b.Tag)
	}
	return out
}

func TestWhole(t *testing.T) {
	s := newSample(t)
	for _, fast := range []bool{true, false} {
		r := run(t, s.Dir, Options{Fast: fast})
		if len(r.Problems) > 0 || len(r.Broken) > 0 || r.Damaged() {
			t.Errorf("fast %v: %+v %v", fast, r.Problems, r.Broken)
		}
		c := r.Checked
		if c.Repositories != 3 || c.Tags != 4 || c.Manifests != 7 || c.Orphans != 0 || (c.Hashed == c.Blobs) == fast || c.Blobs == 0 {
			t.Errorf("fast %v: %+v", fast, c)
		}
	}
}

// Without any blob every tag is broken, and nothing panics.
func TestNoBlobs(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.Remove("docker/registry/v2/blobs")
	for _, fast := range []bool{false, true} {
		r := run(t, s.Dir, Options{Fast: fast})
		if got := broken(r); !slices.Equal(got, []string{"alias:a", "team:x", "team/app:1", "team/app:multi"}) || !slices.Equal(ids(r), []string{LayerDangling, storage.ManifestMissing}) {
			t.Errorf("fast %v: %q, %q", fast, ids(r), got)
		}
	}
}
