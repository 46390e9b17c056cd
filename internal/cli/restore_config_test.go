package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/backup"
)

// A dry run lists the files of the configuration that differ, and there is nothing
// to be done next where none did.
func TestRestoreConfigThatDiffers(t *testing.T) {
	dir, dest := t.TempDir(), t.TempDir()
	mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "1")
	files, err := configFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	target, err := backup.OpenTarget(dest, backup.Access{}, true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := backup.Create(t.Context(), target, backup.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	tree, _ := damagedTree(t)
	if _, err := s.Create(t.Context(), tree.Dir, backup.Options{Command: "test", Config: files}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	restore := func(flags ...string) string {
		t.Helper()
		return mustRun(t, append([]string{"restore", "--config-only", "--yes", "--from", dest, "-C", dir}, flags...)...)
	}
	says := func(out string, next bool, want string) {
		t.Helper()
		if !strings.Contains(out, want) || strings.Contains(out, "next: ") != next {
			t.Errorf("no %q, or next is not as it should be (%v), in\n%s", want, next, out)
		}
	}
	says(restore("--dry-run"), false, "configuration: 0 files would be written\n")
	says(restore(), false, "configuration: 0 files written\n")
	path := filepath.Join(dir, "regctl.yaml")
	before, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(before, "# mine\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	says(restore("--dry-run"), false, "configuration: 1 file would be written\n")
	if out := restore("--dry-run", "--json"); !strings.Contains(out, `"config":["regctl.yaml"]`) && !strings.Contains(out, "\"config\": [\n    \"regctl.yaml\"\n  ]") {
		t.Errorf("%s", out)
	}
	says(restore(), true, "configuration: 1 file written\n")
	if after, err := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("%q, %v", after, err)
	}
}
