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
func (b *bench) collectTree(name, image, what string, l storagetest.Large, must float64) ([]row, error) {
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

// collect compares with both registries, whose collectors differ.
func (b *bench) collect() ([]row, error) {
	var rows []row
	for i, image := range []string{b.images.registry, b.images.registry2} {
		got, err := b.collectTree(fmt.Sprintf("gc-%d", i), image, "200 repositories, half untagged",
			storagetest.Large{Repositories: 200, Images: 35, Layers: 2, Untagged: 1, Of: 2}, 25)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func (b *bench) collectTags() ([]row, error) {
	return b.collectTree("gc-tags", b.images.registry, "one repository, 2,000 tags, 2,000 untagged",
		storagetest.Large{Repositories: 1, Images: 4000, Layers: 2, Untagged: 1, Of: 2}, 300)
}

// collectMillion runs the program itself, as from cron, on a large registry: what
// nothing needs is looked for and nothing found young enough to stay. The first
// run finds the tree in the page cache, where it was just written.
func (b *bench) collectMillion() ([]row, error) {
	dir := filepath.Join(b.dir, "gc-million")
	defer os.RemoveAll(dir)
	l := storagetest.Large{Repositories: max(1, 2000/int(b.scale)), Images: 100, Layers: 3, Untagged: 1, Of: 50}
	storagetest.New(dir).Grow(l, 4)
	cmd := exec.CommandContext(b.ctx, b.regctl, "gc", "--yes", "--json", "--quiet", "--root", dir, "--delete-untagged", "--untagged-older-than", "0s", "--grace", "0s")
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("regctl gc: %w", err)
	}
	took := time.Since(began)
	var got gc.Result
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, err
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	memory := usage.Maxrss << 10
	what := fmt.Sprintf("%d blobs, %d manifests, %d repositories, %d blobs swept: ", got.Blobs.Total, got.Manifests.Kept+got.Manifests.Deleted, got.Repositories, got.Blobs.Deleted)
	return []row{
		{what: what + "time", figure: seconds(took), must: bound{"under 60 s", took < time.Minute}},
		{what: what + "memory", figure: fmt.Sprintf("%d MiB", memory>>20), must: bound{"under 512 MiB", memory < 512<<20}},
		{what: what + "writes held", figure: seconds(time.Duration(got.HoldMS) * time.Millisecond)},
	}, nil
}

// collectHold measures for how long writes are held.
func (b *bench) collectHold() ([]row, error) {
	dir := filepath.Join(b.dir, "gc-hold")
	defer os.RemoveAll(dir)
	l := storagetest.Large{Repositories: 200, Images: max(5, 100/int(b.scale)/5*5), Layers: 3, Untagged: 1, Of: 5}
	storagetest.New(dir).Grow(l, 4)
	got, err := gc.Collect(b.ctx, dir, gc.Options{DeleteUntagged: true, KeepTrash: gc.DefaultKeepTrash, Uploads: gc.DefaultUploads, Hold: gc.HoldFile(dir)})
	if err != nil {
		return nil, err
	}
	held := time.Duration(got.HoldMS) * time.Millisecond
	return []row{{what: fmt.Sprintf("writes held, %d blobs, %d swept", got.Blobs.Total, got.Blobs.Deleted), figure: seconds(held),
		must: bound{"at most 1.5 s", held <= 1500*time.Millisecond}}}, nil
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
