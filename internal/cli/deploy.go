package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
)

// deploy has Nginx load the pair that was just installed, proves that it is
// served, and runs the hook. before is the pair that was live before it, "" for
// none: Nginx goes back to it when it refuses the new one.
func (r *renewer) deploy(ctx context.Context, before string) error {
	id, err := r.nginx(ctx)
	if err != nil {
		return advice.With(fmt.Errorf("the certificate is installed, but nginx was not told: %w", err), "regctl cert renew%s tells it", dirFlag(r.d.Dir))
	}
	if id == "" { // who starts it has everything tested
		r.say("nginx does not run: it is served as soon as it does")
		return r.hook(ctx)
	}
	if err := r.testNginx(ctx); err != nil {
		return r.goBack(ctx, before, "", err)
	}
	if err := r.load(ctx, id); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if now, lookErr := r.nginx(ctx); lookErr == nil && now != id {
			r.say("nginx was stopped meanwhile: it is served as soon as it runs")
			return r.hook(ctx)
		}
		if errors.Is(err, errNotLoaded) {
			return r.goBack(ctx, before, id, err)
		}
		return err
	}
	r.res.Served = true
	return r.hook(ctx)
}

// goBack makes the pair before the live one again. Where Nginx may have begun to
// load the new one it is told once more.
func (r *renewer) goBack(ctx context.Context, before, id string, cause error) error {
	if before == "" || ctx.Err() != nil {
		return cause
	}
	if err := r.d.certs().GoTo(r.d.cfg.Domain, before); err != nil {
		return errors.Join(cause, err)
	}
	r.res.Changed = false
	r.app.ui.Warn("nginx refuses the new certificate; the pair before stays in use")
	if id != "" {
		if err := r.load(ctx, id); err != nil {
			return errors.Join(cause, err)
		}
	}
	return errors.Join(cause, r.readLive())
}

// load has Nginx load what lies on disk and waits until it is served.
func (r *renewer) load(ctx context.Context, id string) error {
	stamp, err := r.d.stampOnDisk()
	if err != nil {
		return err
	}
	if err := r.app.reloadNginx(ctx, r.engine, r.d, id, stamp); err != nil {
		return err
	}
	if err := r.proven(ctx); err != nil {
		return err
	}
	return r.noteLoaded(stamp)
}

// proveTimeout is how long a certificate that was loaded may take to be seen.
const proveTimeout = 15 * time.Second

// proven dials the front door until it shows what lies on disk.
func (r *renewer) proven(ctx context.Context) error {
	_, disk, err := r.d.certs().Live(r.d.cfg.Domain)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		served, err := certs.Served(ctx, r.d.dialAddr(), r.d.cfg.Domain)
		if err == nil && served.Fingerprint != disk.Fingerprint {
			err = errOtherCertificate
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > proveTimeout {
			return advice.With(fmt.Errorf("nginx was told, but %s does not show the new certificate: %w", r.d.dialAddr(), err), "regctl status%s", dirFlag(r.d.Dir))
		}
		select {
		case <-ctx.Done():
		case <-time.After(knockEvery):
		}
	}
}

// heal has Nginx load what lies on disk when it serves something else: a reload
// that got lost, a run that was killed before it. While nothing answers there is
// nothing to heal: who starts Nginx has it read the disk.
func (r *renewer) heal(ctx context.Context) error {
	if r.leaf == nil {
		return nil
	}
	served, err := certs.Served(ctx, r.d.dialAddr(), r.d.cfg.Domain)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.app.ui.Detail("nothing is served now: %v", err)
		return nil
	case served.Fingerprint == r.leaf.Fingerprint:
		r.res.Served = true
		return nil
	}
	id, err := r.nginx(ctx)
	if err != nil {
		return err
	}
	if id == "" {
		r.warn("%s shows another certificate than the one on disk, and it is not this deployment's nginx", r.d.dialAddr())
		return nil
	}
	if err := r.testNginx(ctx); err != nil {
		return err
	}
	if err := r.load(ctx, id); err != nil {
		return err
	}
	r.res.Healed, r.res.Served, r.worked = true, true, true
	r.say("the certificate on disk was not served; it is now")
	return r.hook(ctx) // who lost the reload has not come to it either
}

// testNginx has the configuration on disk tested, with the certificate on disk.
func (r *renewer) testNginx(ctx context.Context) error {
	out, err := nginxRefuses(ctx, r.engine, r.d, filepath.Dir(r.d.Path(compose.NginxConf)))
	if err != nil {
		return err
	}
	if out != "" {
		return advice.With(&logError{err: fmt.Errorf("nginx refuses its configuration with the certificate that lies on disk"), log: out}, "regctl diff%s shows what was changed by hand", dirFlag(r.d.Dir))
	}
	return nil
}

// noteLoaded writes down what Nginx has loaded, so that up need not tell it once
// more.
func (r *renewer) noteLoaded(stamp string) error {
	state := readUpState(r.d.Layout)
	pair, _, err := r.d.certs().Live(r.d.cfg.Domain)
	if err != nil || state.Nginx == "" {
		return err
	}
	state.Nginx = loadedSum(stamp, pair)
	return writeJSON(r.d.Layout, upStateFile, state)
}
