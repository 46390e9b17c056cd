package backup

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// openStore makes or opens a store in a directory.
func openStore(t *testing.T, dir string, keys Keys) *Store {
	t.Helper()
	target, err := OpenDir(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	s, err := Create(t.Context(), target, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func create(t *testing.T, s *Store, root string) *Result {
	t.Helper()
	r, err := s.Create(t.Context(), root, Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bringBack restores the latest snapshot into a new directory.
func bringBack(t *testing.T, s *Store) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "restored")
	snap, err := s.Snapshot(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Swap(t.Context(), root, "test"); err != nil {
		t.Fatal(err)
	}
	return root
}

// randomTree makes a registry's tree of every shape that pushes leave.
func randomTree(dir string, r *rand.Rand) *storagetest.Tree {
	t := storagetest.New(dir)
	start := time.Now().Add(-500 * 24 * time.Hour)
	names := []string{"a", "a/b", "team/app", "blobs", "tags/current/index", "x.y/z-1"}
	for i := range 1 + r.IntN(6) {
		repo := names[r.IntN(len(names))]
		t := t.At(start.Add(time.Duration(r.Int64N(int64(400 * 24 * time.Hour)))))
		layers := []string{}
		for range r.IntN(4) {
			layers = append(layers, fmt.Sprint("layer ", r.IntN(8), strings.Repeat("x", r.IntN(70_000))))
		}
		d := t.Image(repo, fmt.Sprint("config ", r.IntN(5)), layers...)
		switch r.IntN(6) {
		case 0:
			d = t.Index(repo, d)
		case 1:
			t.Referrer(repo, d, fmt.Sprint("signature ", i))
		case 2:
			t.Alias(repo, fmt.Sprint("by sha512 ", r.IntN(3)))
		case 3: // deleted: directories without a link
			gone := t.Image(repo, "gone")
			t.Remove(storage.RevisionPath(repo, gone) + "/link")
		case 4:
			t.Upload(repo, fmt.Sprint("upload-", i), "half")
		}
		if r.IntN(5) > 0 {
			t.Tag(repo, fmt.Sprint("v", r.IntN(4)), d)
		}
	}
	return t
}

// registrySees lists what a registry can see in a tree: each link with its content,
// time, rights and owner, and each blob that a link names. Blobs that nothing
// names are no part of a backup.
func registrySees(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	blobs := map[string]bool{}
	v2 := filepath.Join(root, "docker/registry/v2")
	err := filepath.WalkDir(filepath.Join(v2, "repositories"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() == "_uploads" {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if e.IsDir() {
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		if e.Name() != "link" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		out[rel] = fmt.Sprint(string(data), " ", fi.ModTime().UnixNano(), " ", fi.Mode(), " ", ownerOf(fi))
		if !strings.Contains(rel, "/_manifests/tags/") {
			blobs[string(data)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for text := range blobs {
		d, err := storage.ParseDigest(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		path := storage.BlobPath(d) + "/data"
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			out[path] = "missing"
			continue
		}
		fi, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		out[path] = fmt.Sprint(string(data), " ", fi.Mode(), " ", ownerOf(fi))
	}
	return out
}

func differences(a, b map[string]string) []string {
	var out []string
	short := func(s string) string { return fmt.Sprintf("%.120s", s) }
	for k, v := range a {
		if b[k] != v {
			out = append(out, fmt.Sprintf("%s: %q, restored %q", k, short(v), short(b[k])))
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k+" is new")
		}
	}
	return out
}

func snapshots(t *testing.T, s *Store) []*Snapshot {
	t.Helper()
	all, problems, err := s.Snapshots(context.Background())
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return all
}

// files lists what is in a directory, with contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
