//go:build integration

package integration

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree is every file of the deployment with its mode and the sum of its
// content. The locks are left out: they only say who held them last; so is the
// audit, which grows with each command.
func (d *deployment) tree(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, "lock") || e.Name() == "audit.log" {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		var content []byte
		if e.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			content = []byte(target)
		} else if content, err = os.ReadFile(path); err != nil {
			return err
		}
		name, err := filepath.Rel(d.dir, path)
		out[name] = fmt.Sprintf("%s %s", fi.Mode(), sum(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// untouched does something that has to leave the deployment's files and its
// containers as they are.
func (d *deployment) untouched(t *testing.T, act func()) {
	t.Helper()
	files, containers := d.tree(t), d.running(t)
	act()
	sameMap(t, "files", files, d.tree(t))
	sameMap(t, "containers", containers, d.running(t))
}

// sameMap tells what differs, name by name.
func sameMap(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	names := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			t.Errorf("%s changed: %s was %q, is %q", what, name, before[name], after[name])
		}
	}
}

// noContainers makes sure that a start that was refused made nothing.
func (d *deployment) noContainers(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"container", "network"} {
		args := []string{"docker", kind, "ls", "--filter", "label=com.docker.compose.project=" + d.project, "--format", "{{.ID}}"}
		if kind == "container" {
			args = append(args, "--all")
		}
		if left := tool(t, args...); left != "" {
			t.Errorf("a %s was made: %s", kind, left)
		}
	}
	d.noOneOffs(t)
}

// noOneOffs makes sure that no container which regctl ran for itself is left.
func (d *deployment) noOneOffs(t *testing.T) {
	t.Helper()
	if left := tool(t, "docker", "ps", "--all", "--quiet", "--filter", "label=io.regctl.once="+d.project); left != "" {
		t.Errorf("a one-off container is left: %s", left)
	}
}

// userNames reads `regctl user ls --json`.
func userNames(t *testing.T, r result) []string {
	t.Helper()
	r.want(t, 0)
	var out struct{ Users []struct{ Name string } }
	r.json(t, &out)
	names := []string{}
	for _, u := range out.Users {
		names = append(names, u.Name)
	}
	return names
}

// needRoot fails a test that takes root to set its fault up.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts file systems or changes users: run it as root")
	}
}
