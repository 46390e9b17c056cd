package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/users"
)

var errNoDeployment = errors.New("no deployment")

// deployment is an existing deployment directory with its configuration.
type deployment struct {
	compose.Layout
	cfg *config.Config
}

// open reads the deployment. It changes nothing.
func (a *App) open() (*deployment, error) {
	l, err := a.layout()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(l.Path(compose.ConfigFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, advice.With(fmt.Errorf("%w: there is no %s in %s", errNoDeployment, compose.ConfigFile, l.Dir),
			"regctl init %s --domain HOST; or name the directory with --dir", l.Dir)
	}
	if err != nil {
		return nil, err
	}
	return &deployment{Layout: l, cfg: cfg}, nil
}

// lock takes the deployment's lock for a command.
func lockDeployment(ctx context.Context, l compose.Layout, command string) (*lock.Lock, error) {
	if err := durable.MkdirAll(l.Path(compose.StateDir), 0o700); err != nil {
		return nil, err
	}
	held, err := lock.Acquire(ctx, l.LockPath(), "regctl "+command, 0)
	var busy *lock.HeldError
	if errors.As(err, &busy) {
		return nil, advice.With(err, "wait for it to end")
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(settle(l), sweep(l)); err != nil {
		return nil, errors.Join(err, held.Release())
	}
	return held, nil
}

// abandoned is the age at which a temporary file is nobody's any more. Writing
// one takes no time, but not every writer holds the deployment's lock.
const abandoned = time.Hour

// sweepable are the directories in which files are written.
var sweepable = []string{".", compose.StateDir, compose.PrivateDir, filepath.Dir(compose.UserFile),
	filepath.Dir(compose.NginxConf), compose.ScriptsDir, filepath.Dir(compose.RegistryConf), compose.CertsDir}

// sweep removes what writes that were killed left behind.
func sweep(l compose.Layout) error {
	var errs []error
	for _, name := range sweepable {
		errs = append(errs, durable.Sweep(l.Path(name), abandoned))
	}
	return errors.Join(errs...)
}

// users is the deployment's user file.
func (d *deployment) users() *users.Store { return userStore(d.Layout) }

func userStore(l compose.Layout) *users.Store {
	return &users.Store{Path: l.Path(compose.UserFile), LockPath: l.UserLockPath()}
}

func (d *deployment) certs() certs.Store { return certs.Store{Dir: d.Path(compose.CertsDir)} }

// render renders the stack as it should be.
func (d *deployment) render() ([]compose.File, error) {
	secret, err := httpSecret(d.Layout)
	if err != nil {
		return nil, err
	}
	in, err := renderInput(d.Layout, d.cfg, secret)
	if err != nil {
		return nil, err
	}
	return compose.Render(in)
}

func renderInput(l compose.Layout, cfg *config.Config, secret string) (compose.Input, error) {
	uid, err := ownerUID(l.Dir)
	if err != nil {
		return compose.Input{}, err
	}
	return compose.Input{Config: cfg, HTTPSecret: secret, CertName: cfg.Domain, OwnerUID: uid}, nil
}

// ownerUID tells who owns the deployment.
func ownerUID(dir string) (int, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s: owner unknown on this system", dir)
	}
	return int(st.Uid), nil
}

// newSecret returns 256 random bits.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return hex.EncodeToString(b[:])
}

// httpSecret reads the secret that signs unfinished uploads.
func httpSecret(l compose.Layout) (string, error) {
	path := l.Path(compose.SecretFile)
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", advice.With(err, "regctl render writes a new one; uploads that are under way will have to start again")
		}
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < 32 {
		return "", advice.With(fmt.Errorf("%s is damaged: shorter than 32 characters", path),
			"remove it, then regctl render writes a new one")
	}
	return secret, nil
}

// ensureSecret writes the secret if it is missing.
func ensureSecret(l compose.Layout) error {
	path := l.Path(compose.SecretFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.MkdirAll(l.Path(compose.PrivateDir), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, []byte(newSecret()+"\n"), 0o600)
}

// since writes a duration as a person says it.
func since(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
