package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// copies is a registry's storage directory and copies of it made by regctl, tar
// and restic.
type copies struct {
	bench             *bench
	dir, root, target string
	restic            *restic
}

func (b *bench) newCopies(name string, l storagetest.Large) (*copies, error) {
	r, err := b.newRestic(name + "/restic")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, name)
	c := &copies{b, dir, filepath.Join(dir, "registry"), filepath.Join(dir, "target"), r}
	storagetest.New(c.root).Grow(l, 4)
	return c, nil
}

func (c *copies) close() { os.RemoveAll(c.dir) }

// settle flushes what was written before, so that nobody pays for another's.
func (c *copies) settle() error {
	f, err := os.Open(c.bench.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// fresh is a run for which what dirs name was removed and the disk left alone.
func (c *copies) fresh(run func() (sample, error), dirs ...string) func() (sample, error) {
	return func() (sample, error) {
		for _, dir := range dirs {
			if err := os.RemoveAll(dir); err != nil {
				return sample{}, err
			}
		}
		if err := c.settle(); err != nil {
			return sample{}, err
		}
		return run()
	}
}

func (c *copies) create() (sample, error) {
	_, s, err := c.created()
	return s, err
}

func (c *copies) created() (res backup.Result, s sample, err error) {
	took, out, err := c.bench.exec(nil, "", c.bench.regctl, "backup", "create", "--json", "--quiet", "--root", c.root, "--to", c.target)
	if err == nil {
		err = json.Unmarshal(out, &res)
	}
	return res, sample{took: took}, err
}

func (c *copies) restore(to string) (sample, error) {
	took, err := c.bench.once(c.bench.regctl, "restore", "--yes", "--quiet", "--from", c.target, "--root", to)
	return sample{took: took}, err
}

// inContainer runs a command in a helper container that has the registry's
// directory, an empty one and regctl itself, as `docker run` from a script does.
func (c *copies) inContainer(argv ...string) (sample, error) {
	out := c.target
	if err := os.MkdirAll(out, 0o700); err != nil {
		return sample{}, err
	}
	took, err := c.bench.once(append([]string{"docker", "run", "--rm", "--network", "none", "--volume", c.root + ":/registry",
		"--volume", out + ":/target", "--volume", c.bench.regctl + ":/regctl:ro", "--entrypoint", argv[0], c.bench.images.nginx}, argv[1:]...)...)
	return sample{took: took}, err
}

// tar is what people do: a tarball made in a helper container. It is left in the
// page cache, which cached is told the time of, and then flushed, as what regctl and
// restic write is.
func (c *copies) tar(cached *[]sample) func() (sample, error) {
	return func() (sample, error) {
		s, err := c.inContainer("tar", "-cf", "/target/registry.tar", "-C", "/registry", ".")
		if err != nil {
			return sample{}, err
		}
		*cached = append(*cached, s)
		began := time.Now()
		f, err := os.Open(filepath.Join(c.target, "registry.tar"))
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		err = f.Sync()
		s.took += time.Since(began)
		return s, err
	}
}

// backupFirst copies 10 GiB to the disk. regctl runs in a helper container, too.
// What is copied was just written and is in the page cache, as far as it fits.
func (b *bench) backupFirst() ([]row, error) {
	l := storagetest.Large{Repositories: 20, Images: 20, Layers: 3, Untagged: 0, Of: 1}
	l.LayerBytes = int(10*gib/b.scale) / (l.Repositories * l.Images * l.Layers)
	c, err := b.newCopies("backup", l)
	if err != nil {
		return nil, err
	}
	defer c.close()
	ours := func() (sample, error) {
		return c.inContainer("/regctl", "backup", "create", "--quiet", "--root", "/registry", "--to", "/target")
	}
	theirs := func() (sample, error) {
		if err := c.restic.again(); err != nil {
			return sample{}, err
		}
		return c.restic.backup(c.root)
	}
	var all []sample
	first, err := rounds(3, c.fresh(c.tar(&all), c.target), c.fresh(theirs), c.fresh(ours, c.target))
	if err != nil {
		return nil, err
	}
	cached := median(all, func(s sample) time.Duration { return s.took })
	what := fmt.Sprintf("first backup of %s in %d blobs", b.sizeText(10*gib), l.Blobs())
	rows := []row{
		atMostRow(what+", hashed", first[2], "`tar` in a helper container, flushed", first[0], 1),
		{what: what + ", hashed", figure: seconds(first[2].took), against: "`tar` left in the page cache " + seconds(cached), ratio: ratio(first[2].took, cached)},
		fasterRow(what+", hashed", first[2], "`restic backup`", first[1], 3),
	}
	restored, err := c.restoreRow(b.sizeText(10*gib), 3)
	if err != nil {
		return nil, err
	}
	grown, err := c.grownRow(l)
	return append(rows, restored, grown), err
}

func atMostRow(what string, ours sample, against string, theirs sample, most float64) row {
	r := row{what: what, figure: seconds(ours.took), against: against + " " + seconds(theirs.took), ratio: ratio(ours.took, theirs.took)}
	r.must = atMost(r.ratio, most)
	return r
}

func fasterRow(what string, ours sample, against string, theirs sample, least float64) row {
	r := row{what: what, figure: seconds(ours.took), against: against + " " + seconds(theirs.took), ratio: ratio(theirs.took, ours.took)}
	r.must = atLeast(r.ratio, least)
	return r
}

// restoreRow brings back what was backed up last. regctl compares each blob with
// its digest and flushes all; restic does as it does.
func (c *copies) restoreRow(what string, n int) (row, error) {
	ours, theirs := filepath.Join(c.dir, "restored"), filepath.Join(c.dir, "restored-by-restic")
	m, err := rounds(n, c.fresh(func() (sample, error) { return c.restore(ours) }, ours, theirs),
		c.fresh(func() (sample, error) { return c.restic.restore(theirs) }, ours, theirs))
	if err != nil {
		return row{}, err
	}
	for _, dir := range []string{ours, theirs} {
		if err := os.RemoveAll(dir); err != nil {
			return row{}, err
		}
	}
	return fasterRow("restore of "+what+", verified and flushed", m[0], "`restic restore`", m[1], 2), nil
}

// grownRow pushes one image in a hundred more and looks at what the next backup
// writes.
func (c *copies) grownRow(l storagetest.Large) (row, error) {
	before, err := size(c.target)
	if err != nil {
		return row{}, err
	}
	more := l
	more.Repositories, more.Images, more.Group = 1, l.Repositories*l.Images/100, "pushed"
	storagetest.New(c.root).Grow(more, 1)
	res, _, err := c.created()
	if err != nil {
		return row{}, err
	}
	after, err := size(c.target)
	if err != nil {
		return row{}, err
	}
	if res.Bytes.New == 0 {
		return row{}, fmt.Errorf("nothing new was found in %s", c.root)
	}
	r := row{what: "second backup after pushing 1 %: bytes written", figure: fmt.Sprint(after - before),
		against: fmt.Sprintf("bytes of new blobs %d", res.Bytes.New), ratio: float64(after-before) / float64(res.Bytes.New)}
	r.must = atMost(r.ratio, 1.05)
	return r, nil
}

// size is the sum of the sizes of all files.
func size(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "/locks/") {
			return err
		}
		fi, err := e.Info()
		if err == nil {
			sum += fi.Size()
		}
		return err
	})
	return sum, err
}
