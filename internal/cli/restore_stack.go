package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/durable"
)

// restoreSite is where images are brought back to. A stack's volume is made if it
// is not there yet, and the image of the registry pulled, in which the work is done.
func (a *App) restoreSite(ctx context.Context, d *deployment, root string) (site, func(), error) {
	if root != "" {
		root, err := filepath.Abs(root)
		return site{root: root}, func() {}, err
	}
	held, err := lockDeployment(ctx, d.Layout, "restore")
	if err != nil {
		return site{}, nil, err
	}
	at := site{d: d}
	if at.engine, err = a.Connect(ctx); err != nil {
		return site{}, nil, errors.Join(err, held.Release())
	}
	done := func() { at.engine.Close(); _ = held.Release() }
	err = a.haveImage(ctx, at.engine, d.cfg.Registry.Image)
	var there bool
	if err == nil {
		there, err = at.engine.VolumeExists(ctx, d.cfg.Project+"_"+registryVolume)
	}
	if err == nil && !there {
		err = at.engine.MakeVolume(ctx, d.cfg.Project, registryVolume)
	}
	if err != nil {
		done()
		return site{}, nil, err
	}
	return at, done, nil
}

// stoppedFile is there while a restore has the registry stopped.
const stoppedFile = compose.StateDir + "/stopped"

// whileStopped stops the registry, if it runs, for as long as f takes.
func (a *App) whileStopped(ctx context.Context, at site, f func() error) (err error) {
	containers, err := at.engine.Containers(ctx, at.d.cfg.Project)
	if err != nil {
		return err
	}
	// A run that was killed here has left the registry stopped, though it ran.
	stopped := at.d.Path(stoppedFile)
	c, ok := find(containers, compose.ServiceRegistry)
	if !ok { // it is gone, and nobody waits for it
		if err := os.Remove(stopped); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return f()
	}
	if !c.Running() {
		if _, err := os.Stat(stopped); errors.Is(err, fs.ErrNotExist) {
			return f()
		} else if err != nil {
			return err
		}
	}
	s := &start{app: a, d: at.d, engine: at.engine, containers: containers, opts: upOptions{timeout: 2 * time.Minute}}
	if err := s.checkOwner(ctx); err != nil {
		return err
	}
	runner, err := compose.FindCompose(ctx, at.d.Layout, at.d.cfg.Project)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(stopped, nil, 0o600); err != nil {
		return err
	}
	a.ui.Step("stopping the registry; waiting up to %s for transfers to end", at.d.cfg.StopGrace)
	defer func() {
		// Also after a failure or an interruption: it ran, so it is to run.
		up := context.WithoutCancel(ctx)
		started := runner.Change(up, a.composeOutput(), "start", compose.ServiceRegistry)
		if started == nil {
			started = errors.Join(os.Remove(stopped), s.wait(ctx))
		}
		err = errors.Join(err, started)
	}()
	if err := runner.Change(ctx, a.composeOutput(), "stop", compose.ServiceRegistry); err != nil {
		return err
	}
	return f()
}
