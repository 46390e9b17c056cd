package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/regctl/regctl/pkg/backup"
)

// opened is a backup that something is brought back from.
type opened struct {
	depot
	name    string
	archive bool
	store   *backup.Store
	snap    *backup.Snapshot
}

// openBackup opens the backups, or the exported file, on this host.
func (a *App) openBackup(ctx context.Context, d *deployment, f storeFlags, name string) (*opened, error) {
	p, err := a.depot(d, f)
	if err != nil {
		return nil, err
	}
	o := &opened{depot: p, name: p.dest}
	keys, err := backup.NewKeys(nil, p.identity)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(p.dest); err == nil && fi.Mode().IsRegular() && backup.IsDirectory(p.dest) {
		arc, err := backup.OpenArchive(ctx, p.dest, keys)
		if err != nil {
			return nil, err
		}
		o.archive, o.store = true, arc.Store
	} else {
		t, err := backup.OpenTarget(p.dest, p.access, false)
		if err != nil {
			return nil, err
		}
		if o.store, err = backup.Open(ctx, t, keys); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	if o.snap, err = o.store.Snapshot(ctx, name); err != nil {
		return nil, errors.Join(err, o.store.Close())
	}
	return o, nil
}

// on is depot.on, of an exported file too: its directory is what is mounted.
func (o *opened) on(at site) (depot, site) {
	p := o.depot
	if at.root != "" || !o.archive {
		return p.on(at)
	}
	p.dest = filepath.Dir(p.dest)
	p, at = p.on(at)
	p.dest += "/" + filepath.Base(o.dest)
	return p, at
}

// reading does something while nobody may remove what the backup needs.
func (o *opened) reading(ctx context.Context, command string, f func(context.Context) error) error {
	release, held, err := o.store.Reading(ctx, "regctl "+command)
	if err != nil {
		return err
	}
	defer release()
	err = f(held)
	if held.Err() != nil && ctx.Err() == nil { // somebody broke the lock
		return context.Cause(held)
	}
	return err
}
