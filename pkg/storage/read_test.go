package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
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

// repository opens one and collects what is unknown in it.
func repository(t *testing.T, s *storage.Store, name string) (*storage.Repository, *[]storage.Problem) {
	t.Helper()
	var unknown []storage.Problem
	r, err := s.Repository(name, func(p storage.Problem) { unknown = append(unknown, p) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, &unknown
}

func TestOpenRefuses(t *testing.T) {
	empty := t.TempDir()
	_, err := storage.Open(empty)
	if !errors.Is(err, storage.ErrNoStorage) || !strings.Contains(advice.Of(err), "docker/registry/v2") {
		t.Errorf("an empty directory: %v, hint %q", err, advice.Of(err))
	}
	if _, err := storage.Open(filepath.Join(empty, "none")); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, storage.ErrNoStorage) {
		t.Errorf("no directory: %v", err)
	}
	for _, link := range []string{"docker", "docker/registry", "docker/registry/v2"} {
		tree, elsewhere := storagetest.New(t.TempDir()), t.TempDir()
		moved := filepath.Join(elsewhere, "moved")
		if err := os.Rename(tree.Path(link), moved); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(moved, tree.Path(link)); err != nil {
			t.Fatal(err)
		}
		if _, err := storage.Open(tree.Dir); err == nil || errors.Is(err, storage.ErrNoStorage) {
			t.Errorf("%s is a symbolic link: %v", link, err)
		}
	}
	// The root itself may be one.
	tree := storagetest.New(t.TempDir())
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Symlink(tree.Dir, root); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestRepositories(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	want := []string{"a", "a/b", "a/b/c-d", "a__b", "blobs", "deep/er", "layers-only", "repositories", "tags", "tags/current/index", "uploads-only", "v2"}
	for _, name := range want {
		switch name {
		case "layers-only":
			tree.Layer(name, "x")
		case "uploads-only":
			tree.Upload(name, "u", "x")
		default:
			tree.Tag(name, "latest", tree.Image(name, "config of "+name))
		}
	}
	tree.File("docker/registry/v2/repositories/Upper/_layers/x", "")
	tree.File("docker/registry/v2/repositories/a/_x/y", "")
	tree.File("docker/registry/v2/repositories/a/stray", "")
	tree.File("docker/registry/v2/repositories/_manifests/tags/x", "")
	if err := os.Symlink("a", tree.Path("docker/registry/v2/repositories/linked")); err != nil {
		t.Fatal(err)
	}
	s := open(t, tree)
	got, unknown, err := s.Repositories(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	paths(t, unknown, "repositories/Upper", "repositories/_manifests", "repositories/a/_x", "repositories/a/stray", "repositories/linked")
	for _, bad := range []string{"", "..", "a/../a", "A", "/a", "a/", "a/_manifests", strings.Repeat("a", 256), "linked"} {
		if r, err := s.Repository(bad, nil); err == nil {
			r.Close()
			t.Errorf("opened %q", bad)
		}
	}
}

// paths compares the paths of problems, below docker/registry/v2, in any order.
func paths(t *testing.T, problems []storage.Problem, want ...string) {
	t.Helper()
	var got []string
	for _, p := range problems {
		if p.ID != storage.UnknownEntry || p.Message == "" {
			t.Errorf("problem %+v", p)
		}
		got = append(got, strings.TrimPrefix(p.Path, "docker/registry/v2/"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("unknown: %q, want %q", got, want)
	}
}

func TestNoRepositories(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	tree.Remove("docker/registry/v2/repositories")
	tree.Remove("docker/registry/v2/blobs")
	s := open(t, tree)
	names, unknown, err := s.Repositories(t.Context())
	if len(names)+len(unknown) != 0 || err != nil {
		t.Errorf("%q, %v, %v", names, unknown, err)
	}
	if err := s.Blobs(t.Context(), 2, func(b storage.Blob) error { return fmt.Errorf("%v", b) }, nil); err != nil {
		t.Error(err)
	}
}

func TestTagsAndHistory(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	first, second := tree.Image("a/b", "1"), tree.Image("a/b", "2")
	tree.Tag("a/b", "latest", first)
	when := time.Now().Add(-90 * time.Minute).Truncate(time.Second)
	tree.At(when).Tag("a/b", "latest", second)
	tree.Tag("a/b", "_Under.Score-1", first)
	tags := "docker/registry/v2/repositories/a/b/_manifests/tags/"
	tree.File(tags+"file", "")
	tree.File(tags+".hidden/current/link", "")
	tree.File(tags+"empty/current/link", "")
	tree.File(tags+"newline/current/link", first.String()+"\n")
	tree.File(tags+"text/current/link", "sha256:zz")
	tree.File(tags+"upper/current/link", strings.ToUpper(first.String()))
	tree.File(tags+"long/current/link", strings.Repeat("x", 10_000))
	tree.File(tags+"nocurrent/index/sha256/"+first.Hex()+"/link", first.String())
	tree.File(tags+"tmp/current/link.0b3.tmp", first.String())
	tree.File(tags+"dir/current/link/x", "")
	s := open(t, tree)
	r, unknown := repository(t, s, "a/b")
	got, err := r.Tags()
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]storage.Fault{
		"empty": storage.LinkEmpty, "newline": storage.LinkNewline, "text": storage.LinkInvalid, "upper": storage.LinkInvalid,
		"long": storage.LinkInvalid, "nocurrent": storage.LinkMissing, "tmp": storage.LinkMissing, "dir": storage.LinkUnreadable,
	}
	for _, tag := range got {
		if tag.Fault != faults[tag.Name] || (tag.Fault == "") == tag.Digest.IsZero() || tag.Fault != "" && tag.Fault.Text() == "" {
			t.Errorf("%+v, want fault %q", tag, faults[tag.Name])
		}
		if one, err := r.Tag(tag.Name); err != nil || one.Fault != tag.Fault || one.Digest != tag.Digest || !one.Pushed.Equal(tag.Pushed) {
			t.Errorf("alone it is %+v (%v), among all %+v", one, err, tag)
		}
		if tag.Name == "latest" && (tag.Digest != second || !tag.Pushed.Equal(when)) {
			t.Errorf("%+v, want %s of %s", tag, second, when)
		}
	}
	if len(got) != 2+len(faults) {
		t.Errorf("%d tags, want %d", len(got), 2+len(faults))
	}
	paths(t, *unknown, "repositories/a/b/_manifests/tags/file", "repositories/a/b/_manifests/tags/.hidden")
	history, err := r.History("latest")
	if err != nil || len(history) != 2 || !slices.ContainsFunc(history, func(l storage.Link) bool { return l.Digest == first && l.Fault == "" }) {
		t.Errorf("history %+v (%v)", history, err)
	}
	for _, bad := range []string{"", "..", "a/b", ".a", strings.Repeat("a", 129)} {
		if _, err := r.Tag(bad); err == nil {
			t.Errorf("read the tag %q", bad)
		}
		if _, err := r.History(bad); err == nil {
			t.Errorf("read the history of %q", bad)
		}
	}
}

func TestRevisions(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	good, other := tree.Image("r", "1"), tree.Image("r", "2")
	base := "docker/registry/v2/repositories/r/_manifests/revisions/"
	damage := map[string]storage.Fault{}
	hexed := func(n int) string { return fmt.Sprintf("%064x", n) }
	for i, f := range []struct {
		fault   storage.Fault
		content string
	}{
		{storage.LinkEmpty, ""},
		{storage.LinkNewline, "sha256:" + hexed(1) + "\n"},
		{storage.LinkInvalid, "no"},
		{storage.LinkMismatch, other.String()},
	} {
		tree.File(base+"sha256/"+hexed(i)+"/link", f.content)
		damage[hexed(i)] = f.fault
	}
	if err := os.MkdirAll(tree.Path(base+"sha256/"+hexed(9)), 0o755); err != nil {
		t.Fatal(err)
	}
	damage[hexed(9)] = storage.LinkMissing
	if err := os.MkdirAll(tree.Path(base+"sha256/"+hexed(10)), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("sha256:"+hexed(10)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, tree.Path(base+"sha256/"+hexed(10)+"/link")); err != nil {
		t.Fatal(err)
	}
	damage[hexed(10)] = storage.LinkUnreadable
	tree.File(base+"sha256/"+strings.Repeat("A", 64)+"/link", "")
	tree.File(base+"md5/00/link", "")
	tree.File(base+"sha256/stray", "")
	s := open(t, tree)
	r, unknown := repository(t, s, "r")
	links, err := r.Revisions()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if want := damage[l.Digest.Hex()]; l.Fault != want || (want == "" || want == storage.LinkMismatch) == l.Target.IsZero() {
			t.Errorf("%s: %+v, want fault %q", l.Digest, l, want)
		}
		if one := r.Revision(l.Digest); one.Fault != l.Fault || one.Target != l.Target {
			t.Errorf("alone it is %+v, among all %+v", one, l)
		}
	}
	if len(links) != 2+len(damage) {
		t.Errorf("%d revisions", len(links))
	}
	paths(t, *unknown, "repositories/r/_manifests/revisions/md5", "repositories/r/_manifests/revisions/sha256/stray",
		"repositories/r/_manifests/revisions/sha256/"+strings.Repeat("A", 64))
	if l := r.Revision(storage.SHA256.Of([]byte("none"))); l.Fault != storage.LinkMissing {
		t.Errorf("what is not there: %+v", l)
	}
	digests, err := r.RevisionDigests()
	if err != nil || len(digests) != len(links) || !slices.Contains(digests, good) {
		t.Errorf("%d digests (%v)", len(digests), err)
	}
}

func TestLayers(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	tree.Layer("r", "plain")
	alias := tree.Alias("r", "by its sha512")
	crossed := storage.SHA512.Of([]byte("crossed"))
	tree.File(storage.LayerPath("r", crossed)+"/link", storage.SHA512.Of([]byte("another")).String())
	empty, wrong := storage.SHA256.Of([]byte("e")), storage.SHA256.Of([]byte("w"))
	tree.File(storage.LayerPath("r", empty)+"/link", "")
	tree.File(storage.LayerPath("r", wrong)+"/link", empty.String())
	s := open(t, tree)
	r, _ := repository(t, s, "r")
	for _, read := range []bool{false, true} {
		got := map[string]storage.Link{}
		if err := r.Layers(read, func(l storage.Link) error { got[l.Digest.String()] = l; return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 6 {
			t.Errorf("%d links", len(got))
		}
		if l := got[alias.Digest]; l.Fault != "" || l.Target != storage.SHA256.Of([]byte("by its sha512")) {
			t.Errorf("alias: %+v", l)
		}
		if l := got[crossed.String()]; l.Fault != storage.LinkMismatch {
			t.Errorf("an alias of a sha512: %+v", l)
		}
		if l := got[empty.String()]; l.Fault != storage.LinkEmpty {
			t.Errorf("empty: %+v", l)
		}
		if l := got[wrong.String()]; read && l.Fault != storage.LinkMismatch {
			t.Errorf("of another: %+v", l)
		}
		for d, l := range got {
			if l.ModTime.IsZero() || l.Digest.String() != d {
				t.Errorf("%s: %+v", d, l)
			}
		}
	}
}

func TestUploads(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	when := time.Now().Add(-8 * 24 * time.Hour).Truncate(time.Second)
	tree.At(when).Upload("r", "old", "12345")
	tree.File("docker/registry/v2/repositories/r/_uploads/nostart/data", "123")
	tree.File("docker/registry/v2/repositories/r/_uploads/bad/startedat", "yesterday")
	tree.File("docker/registry/v2/repositories/r/_uploads/file", "")
	r, unknown := repository(t, open(t, tree), "r")
	got, err := r.Uploads()
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v (%v)", got, err)
	}
	for _, u := range got {
		switch u.ID {
		case "old":
			if !u.Started.Equal(when) || !u.ModTime.Equal(when) || u.Size != 5 {
				t.Errorf("%+v, want %s", u, when)
			}
		default:
			if !u.Started.IsZero() || time.Since(u.ModTime) > time.Minute {
				t.Errorf("%+v", u)
			}
		}
	}
	paths(t, *unknown, "repositories/r/_uploads/file")
}

func TestBlobs(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	want := map[storage.Digest]int64{}
	for i := range 300 {
		data := strings.Repeat("x", i)
		want[tree.Blob(data)] = int64(i)
	}
	long := storage.SHA512.Of([]byte("long"))
	tree.File(storage.BlobPath(long)+"/data", "long")
	want[long] = 4
	bare := storage.SHA256.Of([]byte("bare"))
	tree.File(storage.BlobPath(bare)+"/data.1.tmp", "ba")
	blobs := "docker/registry/v2/blobs/"
	tree.File(blobs+"junk", "")
	tree.File(blobs+"md5/00/x", "")
	tree.File(blobs+"sha256/zz/x", "")
	tree.File(blobs+"sha256/00/stray", "")
	tree.File(blobs+"sha256/00/"+strings.Repeat("f", 64)+"/data", "") // in the wrong place
	s := open(t, tree)
	for _, workers := range []int{1, 4} {
		var mu sync.Mutex
		var unknown []storage.Problem
		got := map[storage.Digest]int64{}
		err := s.Blobs(t.Context(), workers, func(b storage.Blob) error {
			mu.Lock()
			defer mu.Unlock()
			if b.Digest == bare {
				if !b.Info.Mode.IsDir() {
					t.Errorf("%+v", b)
				}
				return nil
			}
			if !b.Info.Mode.IsRegular() || !b.Info.ModTime.Equal(tree.When) {
				t.Errorf("%+v", b)
			}
			got[b.Digest] = b.Info.Size
			return nil
		}, func(p storage.Problem) { unknown = append(unknown, p) })
		if err != nil || len(got) != len(want) {
			t.Errorf("%d blobs (%v), want %d", len(got), err, len(want))
		}
		for d, size := range want {
			if got[d] != size {
				t.Errorf("%s has %d bytes, want %d", d, got[d], size)
			}
		}
		paths(t, unknown, "blobs/junk", "blobs/md5", "blobs/sha256/zz", "blobs/sha256/00/stray", "blobs/sha256/00/"+strings.Repeat("f", 64))
	}
	stop := errors.New("stop")
	if err := s.Blobs(t.Context(), 3, func(storage.Blob) error { return stop }, nil); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Blobs(ctx, 3, func(storage.Blob) error { return nil }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if data, err := s.ReadBlob(long, 4); err != nil || string(data) != "long" {
		t.Errorf("%q (%v)", data, err)
	}
	if _, err := s.ReadBlob(long, 3); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Stat(storage.SHA256.Of([]byte("none"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
