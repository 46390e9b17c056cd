package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

func open(t *testing.T, tree *storagetest.Tree) *storage.Store {
	t.Helper()
	s, err := storage.Open(tree.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func config(os, arch, variant string, day int) string {
	return fmt.Sprintf(`{"os":%q,"architecture":%q,"variant":%q,"created":"2026-01-%02dT00:00:00Z"}`, os, arch, variant, day)
}

// size is of a blob that is there.
func size(t *testing.T, s *storage.Store, d storage.Digest) int64 {
	t.Helper()
	info, err := s.Stat(d)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size
}

func tagNamed(t *testing.T, tags []Tag, name string) Tag {
	t.Helper()
	i := slices.IndexFunc(tags, func(tag Tag) bool { return tag.Name == name })
	if i < 0 {
		t.Fatalf("no tag %s among %v", name, tags)
	}
	return tags[i]
}

func TestTags(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	pushed := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	amd := tree.Image("team/app", config("linux", "amd64", "", 1), "shared", "amd layer")
	arm := tree.Image("team/app", config("linux", "arm64", "v8", 2), "shared", "arm layer")
	index := tree.Index("team/app", amd, arm)
	tree.At(pushed).Tag("team/app", "v1", index)
	tree.Tag("team/app", "amd", amd)
	tree.Tag("team/app", "also-amd", amd)
	other := tree.Image("team/app", config("linux", "amd64", "", 3), "shared", "other layer")
	tree.Tag("team/app", "other", other)
	tree.Tag("team/app", "sha256-"+other.Hex()+".sig", tree.Image("team/app", "{}", "a signature"))
	tree.Referrer("team/app", index, "an sbom, no signature")
	tree.Manifest("team/app", storagetest.Manifest{SchemaVersion: 2, MediaType: storagetest.OCIManifest, ArtifactType: "application/vnd.cncf.notary.signature",
		Config: ptr(tree.Layer("team/app", "{}")), Subject: ptr(storagetest.Refer(amd))})
	gone := tree.Image("team/app", config("linux", "amd64", "", 4), "gone")
	tree.Tag("team/app", "damaged", gone)
	tree.Remove(storage.BlobPath(gone))
	tree.Tag("team/app", "broken", amd)
	tree.File(storage.TagLinkPath("team/app", "broken"), "")
	sparse := tree.Index("team/app", arm, storage.SHA256.Of([]byte("never pushed")))
	tree.Tag("team/app", "sparse", sparse)

	s := open(t, tree)
	tags, err := Tags(t.Context(), s, "team/app")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range tags {
		names = append(names, tag.Name)
	}
	if !slices.IsSorted(names) || len(names) != 8 {
		t.Errorf("tags are %v", names)
	}

	v1 := tagNamed(t, tags, "v1")
	if v1.Digest != index || !v1.Pushed.Equal(pushed) || v1.Kind != "index" || v1.Created.Day() != 2 || v1.Fault != "" || v1.Signed {
		t.Errorf("v1 is %+v", v1)
	}
	if want := []string{"linux/amd64", "linux/arm64/v8"}; !slices.Equal(v1.Platforms, want) {
		t.Errorf("platforms of v1 are %v", v1.Platforms)
	}
	all := map[string]int64{}
	for name, content := range map[string]string{"shared": "shared", "amd layer": "amd layer", "arm layer": "arm layer", "other layer": "other layer",
		"amd config": config("linux", "amd64", "", 1), "arm config": config("linux", "arm64", "v8", 2), "other config": config("linux", "amd64", "", 3)} {
		all[name] = int64(len(content))
	}
	for name, d := range map[string]storage.Digest{"amd": amd, "arm": arm, "index": index, "other": other} {
		all[name] = size(t, s, d)
	}
	sum := func(names ...string) (n int64) {
		for _, name := range names {
			n += all[name]
		}
		return n
	}
	if want := sum("index", "amd", "arm", "shared", "amd layer", "arm layer", "amd config", "arm config"); v1.Bytes != want {
		t.Errorf("v1 has %d bytes, want %d", v1.Bytes, want)
	}
	if v1.Unique != all["index"] { // its images are those of amd and sparse too
		t.Errorf("v1 has %d bytes of its own, want %d", v1.Unique, all["index"])
	}
	o := tagNamed(t, tags, "other")
	if want := sum("other", "other layer", "other config"); o.Unique != want || o.Bytes != want+all["shared"] || !o.Signed {
		t.Errorf("other is %+v, want %d bytes of its own", o, want)
	}
	a := tagNamed(t, tags, "amd")
	if !a.Signed || a.Unique != 0 || a.Kind != "image" || !slices.Equal(a.Platforms, []string{"linux/amd64"}) {
		t.Errorf("amd is %+v", a)
	}
	if d := tagNamed(t, tags, "damaged"); d.Digest != gone || !strings.Contains(d.Fault, "missing") || d.Bytes != 0 {
		t.Errorf("damaged is %+v", d)
	}
	if b := tagNamed(t, tags, "broken"); !b.Digest.IsZero() || b.Fault == "" {
		t.Errorf("broken is %+v", b)
	}
	if p := tagNamed(t, tags, "sparse"); p.Fault != "" || !slices.Equal(p.Platforms, []string{"linux/arm64/v8"}) {
		t.Errorf("sparse is %+v", p)
	}
	for _, name := range []string{"team/none", "team"} {
		if _, err := Tags(t.Context(), s, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, a repository that is not there: %v", name, err)
		}
	}

	facts, err := Facts(t.Context(), s)
	if err != nil || len(facts) != 8 {
		t.Fatalf("%d facts, %v", len(facts), err)
	}
	for _, f := range facts {
		bad := f.Tag == "damaged" || f.Tag == "broken"
		if f.Repository != "team/app" || f.Digest.IsZero() != bad {
			t.Errorf("%+v", f)
		}
		if f.Tag == "v1" {
			configs := []storage.Digest{storage.SHA256.Of([]byte(config("linux", "amd64", "", 1))), storage.SHA256.Of([]byte(config("linux", "arm64", "v8", 2)))}
			for _, d := range append(configs, amd, arm) {
				if !slices.Contains(f.Reaches, d) {
					t.Errorf("v1 does not reach %s", d)
				}
			}
			if len(f.Reaches) != 4 || !f.Pushed.Equal(pushed) {
				t.Errorf("v1: %+v", f)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestRepositories(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	a := tree.Image("a", "config a", "shared", "only a")
	tree.Tag("a", "v1", a)
	tree.Tag("a", "v2", a)
	tree.Image("a", "config a2", "shared")
	b := tree.Image("a/b", "config b", "shared", "only b")
	later := tree.When.Add(time.Hour)
	tree.At(later).Tag("a/b", "v1", b)
	damaged := tree.Image("c", "config c", "x")
	tree.Tag("c", "v1", damaged)
	tree.File(storage.BlobPath(damaged)+"/data", "something else")
	s := open(t, tree)
	list, problems, err := Repositories(t.Context(), s)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if r := list[0]; r.Name != "a" || r.Tags != 2 || r.Manifests != 2 || r.Bytes != r.Unique+int64(len("shared")) || !r.Pushed.Equal(tree.When) {
		t.Errorf("a is %+v", r)
	}
	if r, want := list[1], size(t, s, b)+int64(len("config bonly b")); r.Name != "a/b" || r.Unique != want || r.Bytes != want+int64(len("shared")) || !r.Pushed.Equal(later) {
		t.Errorf("a/b is %+v, want %d bytes of its own", r, want)
	}
	if r := list[2]; r.Name != "c" || r.Tags != 1 || r.Manifests != 0 || r.Bytes != 0 {
		t.Errorf("c is %+v", r)
	}
	if len(problems) != 1 || problems[0].ID != storage.ManifestCorrupt || problems[0].Repository != "c" || problems[0].Digest != damaged {
		t.Errorf("problems are %+v", problems)
	}
}
