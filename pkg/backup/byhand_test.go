package backup

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The script of docs/backup-format.md brings back what regctl does.
func TestRestoringWithoutRegctl(t *testing.T) {
	doc, err := os.ReadFile("../../docs/backup-format.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("there is no script in it")
	}
	script := filepath.Join(t.TempDir(), "restore.sh")
	if err := os.WriteFile(script, m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		src, dst, root := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "root")
		randomTree(src, rand.New(rand.NewPCG(seed, 9)))
		s := openStore(t, dst, Keys{})
		id := create(t, s, src).Snapshot
		if out, err := exec.Command("sh", script, dst, id, root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if diff := differences(registrySees(t, src), registrySees(t, root)); len(diff) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(diff, "\n"))
		}
	}
}
