package fsck

import (
	"context"
	"os"
	"path"
	"slices"
	"strings"
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

// Each kind of damage is found by its ID, and so are the tags that it breaks.
func TestDamage(t *testing.T) {
	all := []string{"alias:a", "team:x", "team/app:1", "team/app:multi"}
	data := func(d storage.Digest) string { return storage.BlobPath(d) + "/data" }
	tag := storage.TagLinkPath("team/app", "1")
	old := storagetest.Tree{When: time.Now().Add(-30 * 24 * time.Hour)}
	tests := map[string]struct {
		harm   func(s sample)
		ids    string
		broken []string
		slow   bool // found by hashing alone
	}{
		"blob changed":         {func(s sample) { s.File(data(s.layer), "LAYER ONE") }, BlobCorrupt, []string{"team:x", "team/app:1", "team/app:multi"}, true},
		"blob cut":             {func(s sample) { s.File(data(s.layer), "layer") }, BlobCorrupt, []string{"team:x", "team/app:1", "team/app:multi"}, true},
		"blob empty":           {func(s sample) { s.File(data(s.config), "") }, BlobEmpty, []string{"team/app:1", "team/app:multi"}, false},
		"blob gone":            {func(s sample) { s.Remove(storage.BlobPath(s.config)) }, BlobMissing, []string{"team/app:1", "team/app:multi"}, false},
		"orphan changed":       {func(s sample) { s.File(data(s.Blob("orphan")), "ORPHAN") }, BlobCorrupt, nil, true},
		"manifest changed":     {func(s sample) { s.File(data(s.image), `{"config":null,"layers":[]}`) }, storage.ManifestCorrupt, []string{"team/app:1", "team/app:multi"}, false},
		"manifest gone":        {func(s sample) { s.Remove(storage.BlobPath(s.untagged)) }, storage.ManifestMissing, nil, false},
		"manifest no manifest": {func(s sample) { s.Tag("team/app", "1", s.Manifest("team/app", "[]")) }, storage.ManifestUnreadable, []string{"team/app:1"}, false},
		"manifest schema 1":    {func(s sample) { s.Manifest("team/app", `{"schemaVersion":1,"fsLayers":[]}`) }, Schema1, nil, false},
		"revision gone":        {func(s sample) { s.Remove(storage.RevisionPath("team/app", s.image)) }, storage.ChildMissing, []string{"team/app:1", "team/app:multi"}, false},
		"child gone":           {func(s sample) { s.Remove(storage.RevisionPath("team/app", s.arm)) }, storage.ChildMissing, []string{"team/app:multi"}, false},
		"tag of nothing":       {func(s sample) { s.Tag("team", "y", s.image) }, storage.RevisionMissing, []string{"team:y"}, false},
		"revision in layers":   {func(s sample) { s.Remove(storage.RevisionPath("team/app", s.arm)); s.LinkLayer("team/app", s.arm) }, RevisionInLayers, nil, false},
		"layer link gone":      {func(s sample) { s.Remove(storage.LayerPath("team/app", s.layer)) }, LayerMissing, []string{"team/app:1", "team/app:multi"}, false},
		"layer link dangling": {func(s sample) {
			s.LinkLayer("team", s.Blob("?"))
			s.Remove(storage.BlobPath(storage.SHA256.Of([]byte("?"))))
		}, LayerDangling, nil, false},
		"link empty":        {func(s sample) { s.File(storage.RevisionPath("team/app", s.image)+"/link", "") }, "link-empty", []string{"team/app:1", "team/app:multi"}, false},
		"link newline":      {func(s sample) { s.File(tag, s.image.String()+"\n") }, "link-newline", []string{"team/app:1"}, false},
		"link other text":   {func(s sample) { s.File(storage.LayerPath("team/app", s.layer)+"/link", "hello") }, "link-invalid", []string{"team/app:1", "team/app:multi"}, false},
		"link mismatch":     {func(s sample) { s.File(storage.LayerPath("team/app", s.layer)+"/link", s.config.String()) }, "link-mismatch", []string{"team/app:1", "team/app:multi"}, false},
		"link a directory":  {func(s sample) { s.Remove(tag); s.File(tag+"/x", "") }, "link-unreadable unknown-entry", []string{"team/app:1"}, false},
		"tag without link":  {func(s sample) { s.Remove(tag) }, "link-missing", []string{"team/app:1"}, false},
		"history bad":       {func(s sample) { s.File(storage.HistoryPath("team/app", "1", s.image)+"/link", "x") }, HistoryLink, nil, false},
		"history gone":      {func(s sample) { s.Remove(storage.TagPath("team/app", "1") + "/index") }, HistoryMissing, nil, false},
		"alias bad":         {func(s sample) { s.File(storage.LayerPath("alias", storage.SHA512.Of([]byte("an alias")))+"/link", "") }, "link-empty", []string{"alias:a"}, false},
		"alias gone":        {func(s sample) { s.Remove(storage.LayerPath("alias", storage.SHA512.Of([]byte("an alias")))) }, LayerMissing, []string{"alias:a"}, false},
		"descriptor's size": {func(s sample) { s.Tag("team/app", "1", s.Index("team/app", s.image)) }, DescriptorSize, []string{"team/app:1"}, false},
		"repository's name": {func(s sample) { s.File("docker/registry/v2/repositories/Team/_layers/x", "") }, IllegalName, nil, false},
		"tag's name":        {func(s sample) { s.File(storage.TagPath("team", ".x")+"/current/link", "") }, IllegalName, nil, false},
		"digest's name": {func(s sample) {
			s.File(strings.ToUpper(path.Base(storage.BlobPath(s.layer)))+"/x", "")
			s.File(storage.LayerPath("team", storage.Digest{})+"/"+strings.ToUpper(s.layer.Hex())+"/link", "")
		}, storage.UnknownEntry, nil, false},
		"junk": {func(s sample) { s.File("docker/registry/v2/blobs/.DS_Store", ""); s.File("docker/x", "") }, storage.UnknownEntry, nil, false},
		"temporary": {func(s sample) {
			s.File(storage.TagPath("team/app", "1")+"/current/link.1-2.tmp", "half")
		}, TemporaryFile, nil, false},
		"upload": {func(s sample) {
			s.At(old.When).Upload("team/app", "u", "half")
			s.old(storage.UploadPath("team/app", "u"))
		}, UploadStale, nil, false},
		"repository empty":      {func(s sample) { s.At(old.When).LinkLayer("none", s.layer) }, "", nil, false},
		"mode":                  {func(s sample) { os.Chmod(s.Path(data(s.layer)), 0o606) }, Mode, nil, false},
		"everything but blobs ": {func(s sample) { s.Remove("docker/registry/v2/blobs") }, "manifest-missing", all, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSample(t)
			tt.harm(s)
			for _, fast := range []bool{false, true} {
				r := run(t, s.Dir, Options{Fast: fast, Temporary: time.Nanosecond})
				got, want := strings.Join(ids(r), " "), tt.ids
				tags := tt.broken
				if fast && tt.slow {
					if want, tags = "", nil; name == "blob cut" {
						want, tags = BlobSize, tt.broken
					}
				}
				got = strings.TrimSpace(strings.ReplaceAll(got, RepositoryEmpty, ""))
				if name == "everything but blobs " {
					got = strings.TrimSpace(strings.ReplaceAll(got, LayerDangling, ""))
				}
				if got != want {
					t.Errorf("fast %v: IDs %q, want %q: %+v", fast, got, want, r.Problems)
				}
				if !slices.Equal(broken(r), tags) {
					t.Errorf("fast %v: broken %q, want %q", fast, broken(r), tags)
				}
				if want := slices.ContainsFunc(strings.Fields(want), func(id string) bool { return severities()[id] == Damage }); r.Damaged() != want {
					t.Errorf("fast %v: damaged %v", fast, r.Damaged())
				}
			}
		})
	}
}

func (s sample) old(rel string) {
	when := time.Now().Add(-30 * 24 * time.Hour)
	os.Chtimes(s.Path(rel), when, when)
}
