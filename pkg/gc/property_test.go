package gc

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc/gctest"
)

// trees is how many random trees each test tries. REGCTL_TEST_TREES sets another
// number, REGCTL_TEST_SEED one tree.
func seeds(t *testing.T, n int) (out []uint64) {
	if s := os.Getenv("REGCTL_TEST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	if s := os.Getenv("REGCTL_TEST_TREES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		out = append(out, uint64(i))
	}
	return out
}

// memory is a directory in memory, where there is one: thousands of trees are
// built and none has to last.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "regctl-gc-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// snapshot is everything below docker/: contents, modes, owners, times of files.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "docker"), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%s %d:%d", info.Mode(), st.Uid, st.Gid)
		if !d.IsDir() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %s %q", info.ModTime().Format(time.RFC3339Nano), data)
		}
		out[strings.TrimPrefix(p, dir)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compare(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for p, text := range want {
		if got[p] != text {
			t.Errorf("%s: %s is %q, want %q", what, p, got[p], text)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Errorf("%s: %s is new", what, p)
		}
	}
}

// What is there after a collection is what the oracle says, the result counts
// it, undoing it leaves no difference, and a dry run tells the same.
func TestCollectionsOfRandomTrees(t *testing.T) {
	root := memory(t)
	for _, seed := range seeds(t, 600) {
		dir := filepath.Join(root, fmt.Sprint(seed))
		tree, o := randomly(dir, seed, seed%3 == 0)
		before := snapshot(t, dir)
		want := expected(dir, o, tree.Now)
		dry := o
		dry.DryRun = true
		told, err := Collect(context.Background(), dir, dry)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		compare(t, fmt.Sprintf("seed %d: a dry run", seed), snapshot(t, dir), before)
		got, err := Collect(context.Background(), dir, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := gctest.Difference(dir, want); diff != "" {
			t.Errorf("seed %d (%+v):\n%s", seed, o, diff)
		}
		blobs := 0
		for f := range want {
			if strings.HasPrefix(f, "blobs/") {
				blobs++
			}
		}
		if got.Blobs.Kept != blobs || got.Blobs.Total != got.Blobs.Kept+got.Blobs.Deleted {
			t.Errorf("seed %d: counts %+v, %d blobs stay", seed, got.Blobs, blobs)
		}
		if told.Blobs != got.Blobs || told.Bytes != got.Bytes || told.Manifests != got.Manifests || told.Tags != got.Tags || told.Links != got.Links || told.Uploads != got.Uploads || told.Emptied != got.Emptied {
			t.Errorf("seed %d: the dry run told %+v, done was %+v", seed, told, got)
		}
		if got.Run != "" {
			if _, err := Undo(context.Background(), dir, o); err != nil {
				t.Fatalf("seed %d: undo: %v", seed, err)
			}
		}
		compare(t, fmt.Sprintf("seed %d: undone", seed), snapshot(t, dir), before)
		if t.Failed() {
			t.Fatalf("seed %d is in REGCTL_TEST_SEED=%d", seed, seed)
		}
		os.RemoveAll(dir)
	}
}
