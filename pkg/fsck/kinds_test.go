package fsck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// Every kind of damage is found, with hashing and without, by its ID and by the
// tags that it breaks; a repair from a backup and one from another registry leave
// every tag whole, and nothing but what no repair mends.
func TestEveryKindOfDamage(t *testing.T) {
	t.Parallel()
	kinds := storagetest.Damages()
	if len(kinds) < 100 {
		t.Fatalf("only %d kinds", len(kinds))
	}
	t.Logf("%d kinds", len(kinds))
	met := map[string]bool{}
	for _, k := range kinds {
		for _, id := range strings.Fields(k.IDs + " " + k.Fast) {
			met[id] = true
		}
	}
	for _, k := range Kinds() {
		// Whose files they are is only root's to change.
		if !met[k.ID] && k.ID != Owner {
			t.Errorf("no kind of damage is %s", k.ID)
		}
	}
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			s := storagetest.NewSample(storagetest.New(inMemory(t)), "kind")
			if r := run(t, s.Dir, Options{Temporary: 1}); len(r.Found) > 0 {
				t.Fatalf("found in a whole tree: %+v", r.Problems)
			}
			target, err := backup.OpenTarget(inMemory(t)+"/store", backup.Access{}, true)
			if err != nil {
				t.Fatal(err)
			}
			store, err := backup.Create(t.Context(), target, backup.Keys{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if _, err := store.Create(t.Context(), s.Dir, backup.Options{Command: "test"}); err != nil {
				t.Fatal(err)
			}
			s.Remove(storage.StateDir)
			mirror, _ := serve(t, copied(t, s.Dir))
			k.Do(s)
			found(t, "full", run(t, s.Dir, Options{Temporary: 1}), k.IDs, k.Tags)
			found(t, "fast", run(t, s.Dir, Options{Temporary: 1, Fast: true}), k.Fast, k.FastTags)
			if tags, why := (oracle{filepath.Join(s.Dir, "docker/registry/v2")}).unpullable(); !slices.Equal(short(tags), strings.Fields(k.Tags)) {
				t.Errorf("a client cannot pull %q: %q", tags, why)
			}
			registry, err := OpenRegistry(mirror + "/mirror")
			if err != nil {
				t.Fatal(err)
			}
			backups, err := OpenDirectory(target.String())
			if err != nil {
				t.Fatal(err)
			}
			defer backups.Close()
			for name, source := range map[string]Source{"backup": backups, "registry": registry} {
				dir := copied(t, s.Dir)
				before := contents(t, dir)
				m := mend(t, dir, "", MendOptions{Tags: true, Check: Options{Temporary: 1}, Sources: []Source{source}})
				tags := ""
				if k.Lost {
					tags = k.Tags
				}
				found(t, "after a repair from a "+name, run(t, dir, Options{Temporary: 1}), k.Left, tags)
				if broken, why := (oracle{filepath.Join(dir, "docker/registry/v2")}).unpullable(); !slices.Equal(short(broken), strings.Fields(tags)) {
					t.Errorf("after a repair from a %s a client cannot pull %q: %q\n%v", name, broken, why, m.Steps)
				}
				after := contents(t, dir)
				for c := range before {
					if !after[c] {
						t.Errorf("after a repair from a %s %q is lost", name, c)
					}
				}
			}
		})
	}
}

func found(t *testing.T, what string, r *Report, ids, tags string) {
	t.Helper()
	var got []string
	for _, f := range r.Found {
		got = append(got, f.ID)
	}
	slices.Sort(got)
	if strings.Join(got, " ") != ids {
		t.Errorf("%s: found %q, want %q: %+v", what, strings.Join(got, " "), ids, r.Problems)
	}
	if got := strings.Join(short(broken(r)), " "); got != tags {
		t.Errorf("%s: %q cannot be pulled, want %q", what, got, tags)
	}
	for _, b := range r.Broken {
		if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.ID == b.ID && p.Path == b.Path }) {
			t.Errorf("%s: %s:%s cannot be pulled for %s at %s, which is no problem", what, b.Repository, b.Tag, b.ID, b.Path)
		}
	}
}

// short leaves the repositories' names away.
func short(tags []string) (out []string) {
	for _, name := range tags {
		out = append(out, name[strings.LastIndex(name, ":")+1:])
	}
	return out
}

// inMemory is a temporary directory that needs no disk, where there is one: what is
// flushed costs nothing there.
func inMemory(t testing.TB) string {
	t.Helper()
	if fi, err := os.Stat("/dev/shm"); err != nil || !fi.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "regctl-fsck-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
