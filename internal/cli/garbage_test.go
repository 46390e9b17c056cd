package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// garbageTree is a storage with something of everything that stays and goes.
type garbageTree struct {
	*storagetest.Tree
	before map[string]string // see stored
	keeps  []string          // images that every collection keeps
}

// collectAll are the flags of a collection that takes whatever it may.
var collectAll = []string{"--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s", "--yes"}

func newGarbage(t *testing.T, dir string) *garbageTree {
	t.Helper()
	g := &garbageTree{Tree: storagetest.New(dir), keeps: []string{"keep/app:v1", "keep/app:multi", "keep/app:v0", "keep:v1"}}
	app := g.Image("keep/app", "config", "shared", "layer")
	g.Tag("keep/app", "v1", app)
	g.Tag("keep/app", "multi", g.Index("keep/app", app, g.Image("keep/app", "config of arm", "shared", "layer of arm")))
	g.Referrer("keep/app", app, "a signature")
	g.Tag("keep/app", "v0", g.Manifest("keep/app", storagetest.Manifest{SchemaVersion: 2, Layers: []storagetest.Descriptor{g.Alias("keep/app", "by sha512")}}))
	g.Tag("keep", "v1", g.Image("keep", "config", "shared"))
	old := g.Image("keep/app", "old config", "shared", "old layer") // lost its tag, and has a signature
	g.Referrer("keep/app", old, "an old signature")
	g.Layer("keep/app", "never used")
	g.Alias("keep/app", "never used, by sha512")
	g.Upload("keep/app", "given-up", "half a layer")
	gone := g.Image("gone/for/good", "gone", "shared", "gone layer") // deleted, as the registry does
	g.Remove(storage.RevisionPath("gone/for/good", gone) + "/link")
	g.Tag("drop", "v1", g.Image("drop", "to be removed", "shared", "removed layer")) // for tag rm and repo rm
	g.Tag("drop", "v2", g.Image("drop", "to be removed, too", "shared"))
	g.before = stored(t, dir, true)
	return g
}

// stored is every file below docker/, with mode and owner, and with its time if so
// wished.
func stored(t *testing.T, dir string, times bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "docker"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s %q", info.Mode(), data)
		if times {
			text += info.ModTime().Format(time.RFC3339Nano)
		}
		out[strings.TrimPrefix(path, dir)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// whole fails unless what is to stay is in its place, and everything else there or
// in the trash.
func (g *garbageTree) whole(t *testing.T, when string) {
	t.Helper()
	s, err := storage.Open(g.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, image := range g.keeps {
		name, tag, _ := strings.Cut(image, ":")
		if err := pullsWhole(s, name, tag); err != nil {
			t.Errorf("%s: LOST %s: %v", when, image, err)
		}
	}
	contents := map[string]bool{}
	filepath.WalkDir(g.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, _ := os.ReadFile(path)
			contents[fmt.Sprintf("%q", data)] = true
		}
		return nil
	})
	for path, text := range g.before {
		_, data, _ := strings.Cut(text, " ")
		data = data[:strings.LastIndexByte(data, '"')+1]
		if !contents[data] {
			t.Errorf("%s: LOST what was in %s: %s", when, path, data)
		}
	}
}

// pullsWhole looks for everything that a client asks for when it pulls.
func pullsWhole(s *storage.Store, name, tag string) error {
	r, err := s.Repository(name, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	top, err := r.Tag(tag)
	if err != nil || top.Fault != "" {
		return fmt.Errorf("the tag: %s (%v)", top.Fault, err)
	}
	todo := []storage.Digest{top.Digest}
	for len(todo) > 0 {
		d := todo[0]
		todo = todo[1:]
		if l := r.Revision(d); l.Fault != "" {
			return fmt.Errorf("manifest %s: %s", d, l.Fault)
		}
		m, err := s.Manifest(d)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", d, err)
		}
		for b := range m.Blobs() {
			l := r.Layer(b.Digest)
			if l.Fault != "" {
				return fmt.Errorf("layer %s: %s", b.Digest, l.Fault)
			}
			if _, err := s.Stat(l.Target); err != nil {
				return err
			}
		}
		for _, c := range m.Manifests {
			todo = append(todo, c.Digest)
		}
	}
	return nil
}

// sameFiles fails for each file that differs.
func sameFiles(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s: %s is %q, want %q", when, path, got[path], text)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: %s should not be there", when, path)
		}
	}
}

// noHold fails if writes are still held back.
func (g *garbageTree) noHold(t *testing.T, when string) {
	t.Helper()
	if _, err := os.Lstat(g.Path(".regctl/hold")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: the hold is still there (%v)", when, err)
	}
}
