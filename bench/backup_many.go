package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// backupMany is about many small blobs: what counts is how much is done for each.
func (b *bench) backupMany() ([]row, error) {
	l := storagetest.Large{Repositories: max(1, 200/int(b.scale)), Images: 30, Layers: 3, Untagged: 0, Of: 1}
	c, err := b.newCopies("backup-many", l)
	if err != nil {
		return nil, err
	}
	defer c.close()
	theirs := func() (sample, error) { return c.restic.backup(c.root) }
	if err := c.restic.again(); err != nil {
		return nil, err
	}
	ours, err := c.create()
	if err != nil {
		return nil, err
	}
	other, err := theirs()
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("first backup of %d small blobs in %d repositories", l.Blobs(), l.Repositories)
	rows := []row{{what: what, figure: seconds(ours.took), against: "`restic backup` " + seconds(other.took), ratio: ratio(other.took, ours.took)}}
	again, err := turns(5, c.create, theirs)
	if err != nil {
		return nil, err
	}
	what = fmt.Sprintf("second backup of %d blobs, nothing changed", l.Blobs())
	rows = append(rows, fasterRow(what, again[0], "`restic backup`", again[1], 20),
		row{what: what + ": time", figure: seconds(again[0].took), must: bound{"under 1 s", again[0].took < time.Second}})
	restored, err := c.restoreRow(fmt.Sprintf("%d blobs", l.Blobs()), 3)
	return append(rows, restored), err
}

// backupMillion looks at memory. Restic would take too long.
func (b *bench) backupMillion() ([]row, error) {
	l := storagetest.Large{Repositories: max(1, 2000/int(b.scale)), Images: 100, Layers: 3, Untagged: 0, Of: 1}
	c, err := b.newCopies("backup-million", l)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var rows []row
	for _, what := range []string{"first", "second"} {
		cmd := exec.CommandContext(b.ctx, b.regctl, "backup", "create", "--json", "--quiet", "--root", c.root, "--to", c.target)
		began := time.Now()
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("regctl backup: %w", err)
		}
		took := time.Since(began)
		var res backup.Result
		if err := json.Unmarshal(out, &res); err != nil {
			return nil, err
		}
		memory := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		what = fmt.Sprintf("%s backup of %d blobs: ", what, res.Blobs.Total)
		rows = append(rows, row{what: what + "time", figure: seconds(took)},
			row{what: what + "memory", figure: fmt.Sprintf("%d MiB", memory>>20), must: bound{"under 512 MiB", memory < 512<<20}})
	}
	return rows, nil
}
