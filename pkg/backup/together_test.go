package backup

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// Each file is flushed by itself where the file system as a whole cannot be.
func TestWhereFilesAreFlushedOneByOne(t *testing.T) {
	src, dst, root := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "root")
	randomTree(src, rand.New(rand.NewPCG(3, 7)))
	s := openStore(t, dst, Keys{})
	s.Target.(*Dir).together = false
	create(t, s, src)
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatal(err, v.Problems)
	}
	if _, err := s.Stage(t.Context(), snapshots(t, s)[0], root, RestoreOptions{oneByOne: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := Swap(t.Context(), root, "test"); err != nil {
		t.Fatal(err)
	}
	if diff := differences(registrySees(t, src), registrySees(t, root)); len(diff) > 0 {
		t.Fatal(strings.Join(diff, "\n"))
	}
}

func TestKernels(t *testing.T) {
	for release, want := range map[string]bool{"5.8.0": true, "5.7.19-1-amd64": false, "4.19.0-27-amd64": false, "5.10.0-30-amd64": true,
		"6.1.158+": true, "10.0": true, "": false, "linux": false} {
		if got := atLeastKernel(release, 5, 8); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}

// More objects than are flushed at once, small ones and ones that stay open.
func TestManyObjects(t *testing.T) {
	d, err := OpenDir(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	put := func(content string) storage.Digest {
		sum := storage.SHA256.Of([]byte(content))
		name := dataDir + "sha256/" + sum.Hex()[:2] + "/" + sum.Hex()
		if err := d.Put(t.Context(), name, int64(len(content)), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	want := map[storage.Digest]int64{}
	large := strings.Repeat("large ", smallObject/6+1)
	for i := range batchObjects + 10 {
		content := "small " + strings.Repeat("x", i)
		if i%1000 == 0 {
			content += large
		}
		want[put(content)] = int64(len(content))
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &Store{Target: d}
	got, err := s.present(t.Context())
	if err != nil || got.len() != len(want) {
		t.Fatalf("%v: %d of %d", err, got.len(), len(want))
	}
	for sum, size := range want {
		if have, ok := got.get(sum); !ok || have != size {
			t.Fatalf("%s: %d, not %d", sum, have, size)
		}
	}
	if err := d.List(t.Context(), tempDir, func(o Object) error { return errors.New(o.Name) }); err != nil {
		t.Errorf("a temporary file is left: %v", err)
	}
}

// A symbolic link where a restore writes leads it nowhere else.
func TestARestoreFollowsNoLink(t *testing.T) {
	src, outside, root := t.TempDir(), t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	planted := false
	_, err := s.Stage(t.Context(), snapshots(t, s)[0], root, RestoreOptions{step: func(what string) error {
		if what == "links" && !planted {
			planted = true
			dir := filepath.Join(root, stageDir, storage.RepositoryPath("app"))
			if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
				return err
			}
			return os.Symlink(outside, dir)
		}
		return nil
	}})
	if err == nil || !planted {
		t.Errorf("it went through a symbolic link: %v", err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("it wrote outside: %v %v", entries, err)
	}
}

// 2.x writes a tag's link in place: no directory's time tells that it moved.
func TestATagThatMovedInPlaceIsSeen(t *testing.T) {
	src := t.TempDir()
	tree := storagetest.New(src)
	first, second := tree.Image("app", "config 1", "layer 1"), tree.Image("app", "config 2", "layer 2")
	tree.Tag("app", "v1", first)
	tree.File(storage.HistoryPath("app", "v1", second)+"/link", second.String())
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	link := filepath.Join(src, storage.TagLinkPath("app", "v1"))
	before, err := os.Stat(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(link, []byte(second.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(link, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	create(t, s, src)
	text, err := os.ReadFile(filepath.Join(bringBack(t, s), storage.TagLinkPath("app", "v1")))
	if err != nil || string(text) != second.String() {
		t.Fatalf("%s %v", text, err)
	}
}

func TestAnErrorEndsTheWalkOfASet(t *testing.T) {
	set, bad := newBlobSet(), errors.New("bad")
	for i := range 1000 {
		set.put(storage.SHA256.Of([]byte{byte(i), byte(i >> 8)}), int64(i))
	}
	set.put(storage.SHA512.Of([]byte("long")), 7)
	calls := make(chan int64, 2000)
	all := func(storage.Digest, int64) bool { return true }
	if err := eachSorted(t.Context(), set, 3, all, func(_ storage.Digest, size int64) error { calls <- size; return nil }); err != nil || len(calls) != 1001 {
		t.Fatalf("%v after %d", err, len(calls))
	}
	err := eachSorted(t.Context(), set, 3, all, func(storage.Digest, int64) error { calls <- 0; return bad })
	if !errors.Is(err, bad) || len(calls) > 1010 {
		t.Errorf("%v after %d", err, len(calls)-1001)
	}
}
