package backup

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// prepareSome prepares team/app and team/app/x of a backup over other images of the
// same names and of others. It returns where, and what the backup was made of.
func prepareSome(t *testing.T) (root string, src map[string]string) {
	t.Helper()
	tree := func(dir, what string, names ...string) {
		tree := storagetest.New(dir)
		for _, name := range names {
			tree.Tag(name, what, tree.Image(name, what+" config of "+name, what+" layer of "+name))
		}
	}
	from, root := t.TempDir(), t.TempDir()
	tree(from, "new", "app", "fresh", "team/app", "team/app/x", "team/app/y")
	tree(root, "old", "app", "other", "team/app", "team/app/x", "team/app/y")
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, from)
	match := func(name string) bool { return name == "team/app" || name == "team/app/x" }
	if _, err := s.Stage(t.Context(), snapshots(t, s)[0], root, RestoreOptions{Match: match}); err != nil {
		t.Fatal(err)
	}
	return root, registrySees(t, from)
}

// linksOf are the links of one repository, without those nested in it.
func linksOf(all map[string]string, repo string) map[string]string {
	out := map[string]string{}
	for path, text := range all {
		if strings.HasPrefix(path, storage.RepositoryPath(repo)+"/_") {
			out[path] = text
		}
	}
	return out
}

// Every repository that matches comes back, nested ones too; the others stay.
func TestSomeRepositoriesComeBack(t *testing.T) {
	root, src := prepareSome(t)
	old := registrySees(t, root)
	r, err := Swap(t.Context(), root, "test")
	if err != nil || r.Repositories != 2 || r.Tags != 2 || r.Before == "" {
		t.Fatalf("%+v %v", r, err)
	}
	now := registrySees(t, root)
	before := files(t, filepath.Join(root, r.Before))
	for repo, from := range map[string]map[string]string{"team/app": src, "team/app/x": src, "app": old, "other": old, "team/app/y": old, "fresh": nil} {
		want := linksOf(from, repo)
		if diff := differences(want, linksOf(now, repo)); len(diff) > 0 {
			t.Errorf("%s:\n%s", repo, strings.Join(diff, "\n"))
		}
		_, kept := before[storage.TagLinkPath(repo, "old")]
		if replaced := len(from) > 0 && maps.Equal(from, src); kept != replaced {
			t.Errorf("%s: what was there lies aside: %v", repo, kept)
		}
	}
	for path, text := range now {
		if text == "missing" {
			t.Errorf("%s is missing", path)
		}
	}
}

// One that cannot be put in its place is told, and the next run finishes it.
func TestARepositoryThatCannotBeReplaced(t *testing.T) {
	for _, at := range []string{"aside _layers", "in place _layers", "aside _manifests", "in place _manifests"} {
		root, src := prepareSome(t)
		failed := false
		_, err := swap(t.Context(), root, "test", func(what string) error {
			if what == at && !failed {
				failed = true
				return os.ErrPermission
			}
			return nil
		})
		if !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v", at, err)
		}
		if _, err := prepared(root); err != nil {
			t.Fatalf("%s: what was prepared is gone: %v", at, err)
		}
		if _, err := Swap(t.Context(), root, "test"); err != nil {
			t.Fatal(err)
		}
		now := registrySees(t, root)
		for _, repo := range []string{"team/app", "team/app/x"} {
			if diff := differences(linksOf(src, repo), linksOf(now, repo)); len(diff) > 0 {
				t.Errorf("%s, %s:\n%s", at, repo, strings.Join(diff, "\n"))
			}
		}
	}
}
