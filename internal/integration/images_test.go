//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The images of a stack leave in a file and come back from it, as on a host that
// cannot pull them.
func TestImagesCarried(t *testing.T) {
	t.Parallel()
	project := newProject()
	registry, nginx := project+"/registry:1", project+"/nginx:1"
	tool(t, "docker", "tag", imageRegistry3, registry)
	tool(t, "docker", "tag", imageNginx, nginx)
	t.Cleanup(func() { try(t, "docker", "image", "rm", "--no-prune", registry, nginx) })
	d := initialised(t, options{project: project, registry: registry, nginx: nginx})
	there := func() string { return tool(t, "docker", "image", "inspect", "--format", "{{.Id}}", registry, nginx) }
	ids := there()

	for _, name := range []string{"images.tar", "images.tar.gz"} {
		file := filepath.Join(t.TempDir(), name)
		if r := d.must(t, "images", "save", file, "--dry-run"); !strings.HasPrefix(r.stdout, "would write "+registry+" and "+nginx+" into ") {
			t.Errorf("%v", r)
		}
		if _, err := os.Lstat(file); err == nil {
			t.Fatal("--dry-run wrote")
		}
		d.must(t, "images", "save", file)
		d.regctl(t, "images", "save", file).want(t, 1, "file already exists", "hint: ")
		tool(t, "docker", "image", "rm", "--no-prune", registry, nginx)
		if r := d.must(t, "images", "load", file, "--dry-run"); r.stdout != "would load "+nginx+" and "+registry+"\n" {
			t.Errorf("%v", r)
		}
		if out := try(t, "docker", "image", "inspect", registry); out.status == 0 {
			t.Fatal("--dry-run loaded")
		}
		d.must(t, "images", "load", file)
		if got := there(); got != ids {
			t.Errorf("%s: loaded %s, saved %s", name, got, ids)
		}
		// Cut short it is refused before the engine sees it.
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data[:len(data)/2], 0o644); err != nil {
			t.Fatal(err)
		}
		d.regctl(t, "images", "load", file).want(t, 1, "not a file of images", "hint: ")
		if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}

	// What regctl.yaml names and the file does not hold is told.
	file := filepath.Join(t.TempDir(), "images.tar")
	tool(t, "docker", "save", "--output", file, nginx)
	tool(t, "docker", "image", "rm", "--no-prune", registry)
	if r := d.regctl(t, "images", "load", file); r.status != 3 || !strings.Contains(r.stdout, "! "+registry+", which regctl.yaml names, is still missing\n") {
		t.Errorf("%v", r)
	}
	// Without a deployment it is loaded as well.
	r := startProcess(t, []string{"REGCTL_DIR=" + t.TempDir()}, "", regctlBin, "images", "load", file).wait(t)
	if r.status != 0 || r.stdout != "loaded "+nginx+"\n" {
		t.Errorf("%v", r)
	}
}
