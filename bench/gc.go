package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// collectTree times a collection of one tree against the registry's own, on
// trees that are alike. Ours moves what it takes to the trash and theirs deletes
// it, so purging is timed too.
func (b *bench) collectTree(name, image, what string, l storagetest.Large, cold bool, must float64) ([]row, error) {
	l.Images = max(l.Of, l.Images/int(b.scale)/l.Of*l.Of)
	program, err := b.registryProgram(image)
	if err != nil {
		return nil, err
	}
	ours, theirs := filepath.Join(b.dir, name), filepath.Join(b.dir, name+"-registry")
	storagetest.New(ours).Grow(l, 4)
	storagetest.New(theirs).Grow(l, 4)
	defer os.RemoveAll(ours)
	defer os.RemoveAll(theirs)
	if cold {
		what += ", cold cache"
	}
	if err := caches(cold); err != nil {
		return nil, err
	}
	began := time.Now()
	got, err := gc.Collect(b.ctx, ours, gc.Options{DeleteUntagged: true, KeepTrash: gc.DefaultKeepTrash, Uploads: gc.DefaultUploads})
	if err != nil {
		return nil, err
	}
	collected := time.Since(began)
	config := filepath.Join(b.dir, name+".yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: 127.0.0.1:0}\n", theirs)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if err := caches(cold); err != nil {
		return nil, err
	}
	stock, err := b.once(program, "garbage-collect", "--delete-untagged", config)
	if err != nil {
		return nil, err
	}
	began = time.Now()
	if _, err := gc.Purge(b.ctx, ours, gc.Options{}); err != nil {
		return nil, err
	}
	purged := time.Since(began)
	return []row{
		{what: fmt.Sprintf("collection of %s, %d of %d blobs go", what, got.Blobs.Deleted, got.Blobs.Total), figure: seconds(collected),
			against: "`registry garbage-collect` of " + image + " " + seconds(stock), ratio: ratio(stock, collected), must: atLeast(ratio(stock, collected), must)},
		{what: "the same, with the purge of its trash", figure: seconds(collected + purged), against: seconds(stock), ratio: ratio(stock, collected+purged)},
	}, nil
}

// caches has the disk take what was written, so that no measure waits for what
// came before it; for a cold one it also makes the kernel forget what it read.
func caches(cold bool) error {
	syscall.Sync()
	if !cold {
		return nil
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0)
}

// collect compares with both registries, whose collectors differ.
func (b *bench) collect() ([]row, error) {
	var rows []row
	for i, image := range []string{b.images.registry, b.images.registry2} {
		for _, cold := range b.temperatures() {
			got, err := b.collectTree(fmt.Sprintf("gc-%d", i), image, "200 repositories, half untagged",
				storagetest.Large{Repositories: 200, Images: 35, Layers: 2, Untagged: 1, Of: 2}, cold, 25)
			if err != nil {
				return nil, err
			}
			rows = append(rows, got...)
		}
	}
	return rows, nil
}

func (b *bench) collectTags() ([]row, error) {
	var rows []row
	for _, cold := range b.temperatures() {
		got, err := b.collectTree("gc-tags", b.images.registry, "one repository, 2,000 tags, 2,000 untagged",
			storagetest.Large{Repositories: 1, Images: 4000, Layers: 2, Untagged: 1, Of: 2}, cold, 300)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// temperatures says which caches there are: only root can cool them.
func (b *bench) temperatures() (cold []bool) {
	if os.Geteuid() != 0 {
		return []bool{false}
	}
	return []bool{false, true}
}

// collectMillion runs the program itself, as from cron, on a large registry: what
// nothing needs is looked for and nothing found young enough to stay. A dry run
// comes before it: growing a large tree takes so long that the kernel forgets its
// beginning, and that of a small one it would remember. A tenth of the tree comes
// first, to tell whether the time grows with the tree alone.
func (b *bench) collectMillion() ([]row, error) {
	tenth, err := b.collectAlone(max(1, 200/int(b.scale)))
	if err != nil {
		return nil, err
	}
	all, err := b.collectAlone(max(1, 2000/int(b.scale)))
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d blobs, %d manifests, %d repositories, %d blobs swept: ", all.Blobs.Total, all.Manifests.Kept+all.Manifests.Deleted, all.Repositories, all.Blobs.Deleted)
	larger := float64(all.Blobs.Total) / float64(tenth.Blobs.Total)
	each := ratio(all.took, tenth.took) / larger
	return []row{
		{what: what + "time", figure: seconds(all.took), must: bound{"under 60 s", all.took < time.Minute}},
		{what: "the same, time for each blob", figure: micros(all.took, all.Blobs.Total), against: fmt.Sprintf("%d blobs %s", tenth.Blobs.Total, micros(tenth.took, tenth.Blobs.Total)),
			ratio: each, must: atMost(each, 1.5)},
		{what: "the same, memory", figure: fmt.Sprintf("%d MiB", all.memory>>20), against: fmt.Sprintf("%d blobs %d MiB", tenth.Blobs.Total, tenth.memory>>20),
			must: bound{"under 512 MiB", all.memory < 512<<20}},
	}, nil
}

// alone is what a run of the program took.
type alone struct {
	gc.Result
	took   time.Duration
	memory int64
}

func (b *bench) collectAlone(repositories int) (out alone, err error) {
	dir := filepath.Join(b.dir, "gc-million")
	defer os.RemoveAll(dir)
	storagetest.New(dir).Grow(storagetest.Large{Repositories: repositories, Images: 100, Layers: 3, Untagged: 1, Of: 50}, 4)
	if err := caches(false); err != nil {
		return out, err
	}
	args := []string{"gc", "--json", "--quiet", "--root", dir, "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s"}
	if _, err := exec.CommandContext(b.ctx, b.regctl, append(args, "--dry-run")...).Output(); err != nil {
		return out, fmt.Errorf("regctl gc --dry-run: %w", err)
	}
	cmd := exec.CommandContext(b.ctx, b.regctl, append(args, "--yes")...)
	began := time.Now()
	text, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("regctl gc: %w", err)
	}
	out.took = time.Since(began)
	out.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return out, json.Unmarshal(text, &out.Result)
}

func micros(d time.Duration, n int) string {
	return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000/float64(max(1, n)))
}

// collectHold measures for how long writes are held, and whether it grows with a
// registry of which no more is swept.
func (b *bench) collectHold() ([]row, error) {
	var held [2]time.Duration
	var results [2]*gc.Result
	for i := range held {
		dir := filepath.Join(b.dir, "gc-hold")
		images := max(5, 100/int(b.scale)/5*5)
		storagetest.New(dir).Grow(storagetest.Large{Repositories: 200, Images: images * (i + 1), Layers: 3, Untagged: 1, Of: 5 * (i + 1)}, 4)
		err := caches(false)
		if err == nil {
			results[i], err = gc.Collect(b.ctx, dir, gc.Options{DeleteUntagged: true, KeepTrash: gc.DefaultKeepTrash, Uploads: gc.DefaultUploads, Hold: gc.HoldFile(dir)})
		}
		os.RemoveAll(dir)
		if err != nil {
			return nil, err
		}
		held[i] = time.Duration(results[i].HoldMS) * time.Millisecond
	}
	text := func(i int) string {
		return fmt.Sprintf("%d blobs, %d swept", results[i].Blobs.Total, results[i].Blobs.Deleted)
	}
	grown := ratio(held[1], held[0])
	return []row{
		{what: "writes held, " + text(0), figure: seconds(held[0]), must: bound{"at most 1.5 s", held[0] <= 1500*time.Millisecond}},
		{what: "writes held, " + text(1), figure: seconds(held[1]), against: text(0) + " " + seconds(held[0]), ratio: grown, must: atMost(grown, 1.5)},
	}, nil
}

// registryProgram takes the registry's program out of an image.
func (b *bench) registryProgram(image string) (string, error) {
	program := filepath.Join(b.dir, "registry-of-"+strings.Map(func(r rune) rune {
		if r == '/' || r == ':' {
			return '-'
		}
		return r
	}, image))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	out, err := exec.CommandContext(b.ctx, "docker", "create", image).Output()
	if err != nil {
		return "", err
	}
	id := string(out[:max(0, len(out)-1)])
	defer exec.Command("docker", "rm", "--force", "--volumes", id).Run()
	_, err = b.once("docker", "cp", "--follow-link", id+":/bin/registry", program)
	return program, err
}
