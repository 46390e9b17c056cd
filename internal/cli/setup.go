package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/users"
)

// setup is one run of init.
type setup struct {
	app    *App
	layout compose.Layout
	cfg    *config.Config
	opts   initOptions
}

// run writes the deployment, or finds that there is nothing to do.
func (s *setup) run(ctx context.Context) (initResult, error) {
	res := initResult{Dir: s.layout.Dir, URL: s.cfg.URL(), Host: s.cfg.Host(), Project: s.cfg.Project,
		TLS: s.cfg.TLS.Mode, DryRun: s.app.dryRun, Files: []string{}, Moved: []string{}}
	if err := s.checkDir(); err != nil {
		return res, err
	}
	have, err := s.existing()
	if err != nil {
		return res, err
	}
	if have != nil {
		return s.unchanged(res, have), nil
	}
	if err := s.checkPair(); err != nil {
		return res, err
	}
	if s.app.dryRun {
		moved, err := s.inTheWay()
		if j, _ := unfinished(s.layout); j != nil {
			moved, err = nil, nil // its files would be taken back first
		}
		if err != nil {
			return res, err
		}
		for _, from := range sortedKeys(moved) {
			res.Moved = append(res.Moved, moved[from])
		}
		res.Files = append(append(res.Files, compose.Paths()...), compose.UserFile, compose.RightsFile, compose.CertsDir+"/", compose.ConfigFile)
		return res, nil
	}
	hash, password, err := s.app.newPassword(s.opts.passwordStdin, s.cfg.Users.Cost)
	if err != nil {
		return res, err
	}
	err = s.write(ctx, &res, hash)
	if err == nil && res.User != "" {
		res.Password = password
	}
	return res, err
}

// checkDir refuses what cannot be a deployment directory.
func (s *setup) checkDir() error {
	fi, err := os.Stat(s.layout.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if fi, err := os.Lstat(s.layout.Dir); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a link that leads nowhere", s.layout.Dir)
		}
		return nil
	case err != nil:
		return err
	case !fi.IsDir():
		return advice.With(fmt.Errorf("%s is not a directory", s.layout.Dir), "name a directory: regctl init DIR --domain HOST")
	}
	return nil
}

// checkPair refuses a pair of the person's own that cannot be used. Later runs
// make do with one that was served before; here it was named just now.
func (s *setup) checkPair() error {
	if s.cfg.TLS.Mode != config.ModeFiles {
		return nil
	}
	_, _, unusable, err := s.app.theirs(&deployment{Layout: s.layout, cfg: s.cfg})
	return cmp.Or(err, unusable)
}

// unchanged is the result where the deployment is there already: what was left
// out of the answers is as it is there.
func (s *setup) unchanged(res initResult, have *config.Config) initResult {
	res.URL, res.Host, res.Project, res.TLS = have.URL(), have.Host(), have.Project, have.TLS.Mode
	res.DryRun = false // nothing would be done
	if exists(s.layout.Path(journalFile)) && !s.opts.passwordStdin {
		s.app.ui.Warn("the init before this one was ended before it could show a password; regctl user passwd %s%s makes another",
			s.opts.user, dirFlag(s.layout.Dir))
	}
	return res
}

// existing returns the configuration of a deployment that is there already with
// these answers, nil when there is none.
func (s *setup) existing() (*config.Config, error) {
	path := s.layout.Path(compose.ConfigFile)
	have, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) || s.opts.force {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if diff := s.opts.differences(have, s.cfg); len(diff) > 0 {
		return nil, advice.With(fmt.Errorf("%s %w: %s", path, errContradicts, strings.Join(diff, ", ")),
			"edit regctl.yaml, then regctl up%s; or add --force to write it anew (the old one is kept)", dirFlag(s.layout.Dir))
	}
	return have, nil
}

// inTheWay lists the files that init would have to replace, each with the name
// it would be moved to. Without --force they are an error.
func (s *setup) inTheWay() (map[string]string, error) {
	moved := map[string]string{}
	for _, name := range append(append([]string{compose.ConfigFile}, compose.Paths()...), rivals...) {
		if _, err := os.Lstat(s.layout.Path(name)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		aside := name + ".before-regctl"
		for n := 2; exists(s.layout.Path(aside)); n++ {
			aside = fmt.Sprintf("%s.before-regctl-%d", name, n)
		}
		moved[name] = aside
	}
	if len(moved) > 0 && !s.opts.force {
		return nil, advice.With(
			fmt.Errorf("%s holds files that regctl did not write: %s", s.layout.Dir, strings.Join(sortedKeys(moved), ", ")),
			"choose another directory; or add --force, which moves them aside")
	}
	return moved, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// write writes everything, or nothing.
func (s *setup) write(ctx context.Context, res *initResult, hash string) (err error) {
	l := s.layout
	fresh := !exists(l.Path(compose.StateDir))
	made, err := makeDir(l.Dir)
	if err != nil {
		removeEmpty(l.Dir, made)
		return notWritable(err)
	}
	held, err := lockDeployment(ctx, l, "init")
	if err != nil {
		removeEmpty(l.Dir, made)
		return notWritable(err)
	}
	defer func() {
		// Only under the lock: what is there may be another init's.
		if err != nil && fresh && !exists(l.Path(journalFile)) {
			os.RemoveAll(l.Path(compose.StateDir))
		}
		err = errors.Join(err, held.Release())
		if err != nil {
			removeEmpty(l.Dir, made)
		}
	}()
	if err := s.recover(); err != nil {
		return err
	}
	// Another init may have been done while this one made its password.
	if have, err := s.existing(); err != nil || have != nil {
		if have != nil {
			*res = s.unchanged(*res, have)
		}
		return err
	}
	moved, err := s.inTheWay()
	if err != nil {
		return err
	}
	j, err := begin(l, append(append([]string{}, compose.Paths()...),
		filepath.Dir(compose.NginxConf), compose.ScriptsDir, filepath.Dir(compose.RegistryConf), filepath.Dir(compose.UserFile),
		compose.UserFile, compose.RightsFile, compose.CertsDir, compose.PrivateDir, compose.ACMEDir,
		compose.StateDir+"/rendered.json", compose.ConfigFile), moved)
	if err == nil {
		err = s.writeAll(ctx, res, hash)
	}
	if err == nil {
		err = ctx.Err() // the last moment at which Ctrl-C takes everything back
	}
	if err == nil {
		err = durable.WriteFile(l.Path(compose.ConfigFile), s.cfg.Marshal(), 0o644)
	}
	if err != nil {
		if j != nil {
			if undone := j.undo(); undone != nil {
				return errors.Join(err, fmt.Errorf("taking back what was written: %w", undone))
			}
		}
		return err
	}
	for _, from := range sortedKeys(moved) {
		res.Moved = append(res.Moved, moved[from])
	}
	res.Changed = true
	res.terms = termsText(s.cfg, l.Dir)
	return j.done()
}

// notWritable adds what helps where the directory is not the person's to write.
func notWritable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return advice.With(err, "name a directory you may write to: regctl init DIR --domain HOST")
	}
	return err
}

// recover takes back what an init that was killed left behind.
func (s *setup) recover() error {
	if exists(s.layout.Path(compose.ConfigFile)) {
		return nil // lockDeployment has dropped a journal that is of no use any more
	}
	// Nobody but an init can have been at work here, and none is now.
	for _, dir := range []string{s.layout.Dir, s.layout.Path(compose.StateDir)} {
		if err := durable.Sweep(dir, 0); err != nil {
			return err
		}
	}
	j, err := unfinished(s.layout)
	if err != nil || j == nil {
		return err
	}
	s.app.ui.Step("taking back an init that was interrupted")
	return j.undo()
}

// writeAll writes everything but regctl.yaml.
func (s *setup) writeAll(ctx context.Context, res *initResult, hash string) error {
	l := s.layout
	for _, name := range []string{filepath.Dir(compose.NginxConf), filepath.Dir(compose.RegistryConf), filepath.Dir(compose.UserFile), compose.CertsDir, compose.ACMEDir} {
		if err := durable.MkdirAll(l.Path(name), 0o755); err != nil {
			return err
		}
	}
	if err := ensureSecret(l); err != nil {
		return err
	}
	d := &deployment{Layout: l, cfg: s.cfg}
	if err := s.app.ensureCertificate(d); err != nil {
		return err
	}
	// Users that are there already stay: a recipe's own file is taken over.
	store := d.users()
	have, _, err := store.List()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(have) == 0 {
		if _, err := store.Add(ctx, s.opts.user, hash, users.Rights{Admin: true}); err != nil {
			return err
		}
		res.User = s.opts.user
	} else {
		s.app.ui.Warn("%s has users already; they stay and no first user is made", compose.UserFile)
		if err := s.app.ensureRights(ctx, d); err != nil {
			return err
		}
	}
	files, err := d.render()
	if err != nil {
		return err
	}
	drift, err := l.Compare(files)
	if err != nil {
		return err
	}
	if _, err := l.Write(files, drift, false); err != nil {
		return err
	}
	for _, f := range files {
		res.Files = append(res.Files, f.Path)
	}
	res.Files = append(res.Files, compose.UserFile, compose.RightsFile, compose.CertsDir+"/", compose.ConfigFile)
	_, err = l.Load(ctx, l.Path(compose.ComposeFile), s.cfg.Project)
	return err
}

// makeDir makes the deployment directory and returns the uppermost directory
// that it had to make, "" for none.
func makeDir(dir string) (string, error) {
	top := ""
	for d := dir; !exists(d); d = filepath.Dir(d) {
		top = d
	}
	return top, durable.MkdirAll(dir, 0o755)
}

// removeEmpty removes the directories that makeDir made, from dir up to top, as
// far as they are empty.
func removeEmpty(dir, top string) {
	for d := dir; top != "" && os.Remove(d) == nil && d != top; {
		d = filepath.Dir(d)
	}
}

// newPassword gives a hash for a new password, and the password when it was
// generated here.
func (a *App) newPassword(stdin bool, cost int) (hash, generated string, err error) {
	if !stdin {
		generated = users.Generate()
		hash, err = users.Hash([]byte(generated), users.GeneratedCost)
		return hash, generated, err
	}
	p, err := a.ui.ReadPassword(a.In)
	if err != nil {
		return "", "", err
	}
	if err := users.CheckPassword(p); err != nil {
		return "", "", &usageError{err}
	}
	hash, err = users.Hash(p, cost)
	return hash, "", err
}
