package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/regctl/regctl/pkg/fsck"
	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// blobSizes are sizes of blobs as registries have them, and how many there are of
// each: a few large layers have most of the bytes.
var blobSizes = []struct{ size, count int }{{512 << 20, 2}, {128 << 20, 12}, {32 << 20, 40}, {4 << 20, 120}, {256 << 10, 500}, {4 << 10, 3000}}

// checkAll times a full check against sha256sum over the same files on all cores,
// with the files in the page cache, and with none of them there.
func (b *bench) checkAll() ([]row, error) {
	dir := filepath.Join(b.dir, "fsck-full")
	defer os.RemoveAll(dir)
	storagetest.New(dir)
	blobs := filepath.Join(dir, "docker/registry/v2/blobs")
	var files []string
	var bytes int64
	noise := rand.NewChaCha8([32]byte{7})
	buf := make([]byte, 512<<20)
	noise.Read(buf)
	for _, s := range blobSizes {
		size := max(1, s.size/int(b.scale))
		for range s.count {
			noise.Read(buf[:min(size, 4<<10)]) // one that is no other's
			d := storage.SHA256.Of(buf[:size])
			path := filepath.Join(dir, filepath.FromSlash(storage.BlobPath(d)), "data")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(path, buf[:size], 0o644); err != nil {
				return nil, err
			}
			files = append(files, path)
			bytes += int64(size)
		}
	}
	buf = nil
	cores := strconv.Itoa(runtime.NumCPU())
	ours := []string{b.regctl, "fsck", "--json", "--quiet", "--dry-run", "--root", dir}
	theirs := []string{"sh", "-c", `find "$1" -name data -print0 | xargs -0 -n 8 -P "$2" sha256sum > /dev/null`, "sh", blobs, cores}
	var rows []row
	for _, cold := range []bool{false, true} {
		timed := func(argv []string) func() (sample, error) {
			return func() (sample, error) {
				if err := warmth(files, cold); err != nil {
					return sample{}, err
				}
				took, err := b.once(argv...)
				return sample{took: took}, err
			}
		}
		got, err := rounds(3, timed(ours), timed(theirs))
		if err != nil {
			return nil, err
		}
		what := "files cached"
		if cold {
			what = "files not cached"
		}
		speed := func(s sample) string { return fmt.Sprintf("%.0f MB/s", float64(bytes)/1e6/s.took.Seconds()) }
		r := ratio(got[1].took, got[0].took)
		rows = append(rows, row{what: fmt.Sprintf("full check of %.1f GiB in %d blobs, %s", float64(bytes)/(1<<30), len(files), what), figure: speed(got[0]),
			against: "`sha256sum` on all cores " + speed(got[1]), ratio: r, must: atLeast(r, 0.9)})
	}
	return rows, nil
}

// warmth brings files into the page cache, or takes them out of it.
func warmth(files []string, cold bool) error {
	buf := make([]byte, 1<<20)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if cold {
			// What was not written yet would stay.
			if err = f.Sync(); err == nil {
				err = forget(f)
			}
		} else {
			for err == nil {
				_, err = f.Read(buf)
			}
			err = nil
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFast times a check that hashes no blobs.
func (b *bench) checkFast() ([]row, error) {
	dir := filepath.Join(b.dir, "fsck-fast")
	defer os.RemoveAll(dir)
	l := storagetest.Large{Repositories: max(1, 200/int(b.scale)), Images: 100, Layers: 3, Untagged: 1, Of: 10}
	storagetest.New(dir).Grow(l, 4)
	var report fsck.Report
	got, err := turns(5, func() (sample, error) {
		began := time.Now()
		out, err := exec.CommandContext(b.ctx, b.regctl, "fsck", "--fast", "--json", "--quiet", "--dry-run", "--root", dir).Output()
		if err != nil {
			return sample{}, fmt.Errorf("regctl fsck: %w", err)
		}
		took := time.Since(began)
		return sample{took: took}, json.Unmarshal(out, &report)
	})
	if err != nil {
		return nil, err
	}
	return []row{{what: fmt.Sprintf("fast check, %d blobs, %d manifests, %d tags", report.Checked.Blobs, report.Checked.Manifests, report.Checked.Tags),
		figure: seconds(got[0].took), must: bound{"under 3 s", got[0].took < 3*time.Second}}}, nil
}
