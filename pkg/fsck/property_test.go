package fsck

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// random makes a tree that is whole.
func random(r *rand.Rand, dir string) *storagetest.Tree {
	tree := storagetest.New(dir)
	for i := range 1 + r.IntN(3) {
		repo := []string{"a", "a/b", "team/tags", "x.y/z__1"}[i]
		var made []storage.Digest
		for range 1 + r.IntN(5) {
			var layers []string
			for range r.IntN(4) {
				layers = append(layers, fmt.Sprintf("layer %d", r.IntN(6))) // shared, also among repositories
			}
			made = append(made, tree.Image(repo, fmt.Sprintf("config %d", r.IntN(20)), layers...))
		}
		for range r.IntN(3) {
			children := []storage.Digest{made[r.IntN(len(made))], made[r.IntN(len(made))]}
			made = append(made, index(tree, repo, children...))
		}
		if r.IntN(3) == 0 {
			alias, config := tree.Alias(repo, fmt.Sprintf("alias %d", r.IntN(3))), tree.Layer(repo, "{}")
			made = append(made, tree.Manifest(repo, storagetest.Manifest{SchemaVersion: 2, Config: &config, Layers: []storagetest.Descriptor{alias}}))
		}
		for t := range 1 + r.IntN(6) {
			tree.Tag(repo, fmt.Sprintf("t%d", t), made[r.IntN(len(made))])
		}
	}
	return tree
}

// harm damages a file in one of many ways, and says which.
func harm(r *rand.Rand, dir string) string {
	var files []string
	filepath.WalkDir(filepath.Join(dir, "docker"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	path := files[r.IntN(len(files))]
	data, _ := os.ReadFile(path)
	how := []string{"removed", "emptied", "cut", "flipped", "newline", "other text", "directory removed", "other link", "a directory", "a symbolic link"}[r.IntN(10)]
	write := func(data []byte) { os.WriteFile(path, data, 0o644) }
	switch how {
	case "removed":
		os.Remove(path)
	case "emptied":
		write(nil)
	case "cut":
		write(data[:len(data)/2])
	case "flipped":
		if len(data) > 0 {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		write(data)
	case "newline":
		write(append(data, '\n'))
	case "other text":
		write([]byte("what is this?"))
	case "directory removed":
		os.RemoveAll(filepath.Dir(path))
	case "other link":
		other, _ := os.ReadFile(files[r.IntN(len(files))])
		write(other)
	case "a directory":
		os.Remove(path)
		os.Mkdir(path, 0o755)
	case "a symbolic link":
		os.Remove(path)
		os.Symlink(files[r.IntN(len(files))], path)
	}
	rel, _ := filepath.Rel(dir, path)
	return how + " " + rel
}

// Whatever is damaged, the tags that cannot be pulled are told, no other, and a
// repair from a copy makes all of them whole again without losing what was there.
func TestRandomDamage(t *testing.T) {
	seeds := uint64(48)
	if testing.Short() {
		seeds = 12
	}
	const side = 4
	for group := range uint64(side) {
		t.Run(fmt.Sprint(group), func(t *testing.T) {
			t.Parallel()
			for seed := group; seed < seeds; seed += side {
				randomDamage(t, seed)
			}
		})
	}
}

func randomDamage(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	dir, good := t.TempDir(), t.TempDir()
	random(r, dir)
	if out, err := exec.Command("cp", "-a", dir+"/.", good).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if tags, why := (oracle{filepath.Join(dir, "docker/registry/v2")}).unpullable(); len(tags) > 0 {
		t.Fatalf("seed %d: the oracle finds fault with a whole tree: %q %q", seed, tags, why)
	}
	if rep := run(t, dir, Options{}); len(rep.Found) > 0 {
		t.Fatalf("seed %d: found in a whole tree: %+v", seed, rep.Problems)
	}
	var harms []string
	for range 1 + r.IntN(6) {
		harms = append(harms, harm(r, dir))
	}
	agree(t, seed, harms, dir, run(t, dir, Options{}))
	before := contents(t, dir)
	mended := mend(t, dir, good, MendOptions{Tags: true})
	agree(t, seed, harms, dir, run(t, dir, Options{}))
	// Two things cannot be told any more when what tells them is gone as well.
	excused := slices.ContainsFunc(mended.Steps, func(s Step) bool {
		return strings.HasPrefix(s.Message, "nothing in its history") || strings.HasPrefix(s.Message, "which blob it stood for")
	})
	if mended.Report.Damaged() && !excused {
		t.Fatalf("seed %d: %q: still damaged: %+v\n%v", seed, harms, mended.Report.Problems, mended.Steps)
	}
	after := contents(t, dir)
	for c := range before {
		if !after[c] {
			t.Fatalf("seed %d: %q: content %q is lost", seed, harms, c)
		}
	}
}

// contents are those of all files of a tree, wherever they are.
func contents(t *testing.T, dir string) map[string]bool {
	out := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			out[string(data)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mend(t testing.TB, dir, good string, o MendOptions) *Mended {
	t.Helper()
	m, err := mendErr(dir, good, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mendErr(dir, good string, o MendOptions) (*Mended, error) {
	o.Check.Settle = time.Millisecond
	if good != "" {
		d, err := OpenDirectory(good)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		o.Sources = append(o.Sources, d)
	}
	return Mend(context.Background(), dir, o)
}

func agree(t *testing.T, seed uint64, harms []string, dir string, rep *Report) {
	t.Helper()
	want, why := oracle{filepath.Join(dir, "docker/registry/v2")}.unpullable()
	got := broken(rep)
	sort.Strings(got)
	if !slices.Equal(got, want) {
		t.Fatalf("seed %d: %s:\nfsck   %q\noracle %q\n%s\n%+v", seed, strings.Join(harms, ", "), got, want, strings.Join(why, "\n"), rep.Problems)
	}
	if len(want) > 0 && !rep.Damaged() {
		t.Fatalf("seed %d: %q: tags are broken and nothing is damaged", seed, harms)
	}
}
