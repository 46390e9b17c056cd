package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

func (d *deployment) localCA() certs.LocalCA {
	return certs.LocalCA{Store: d.certs(), PrivateDir: d.Path(compose.PrivateDir)}
}

// ensureCertificate makes sure that the pair which Nginx is to serve lies on
// disk: issued by the local CA, or taken over from the person's own files.
func (a *App) ensureCertificate(d *deployment) error {
	if d.cfg.TLS.Mode == config.ModeFiles {
		return a.installFiles(d)
	}
	plan, err := d.localCA().Plan(d.cfg.Names(), a.Now())
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings {
		a.ui.Warn("%s", w)
	}
	if text := plan.String(); text != "" {
		a.ui.Detail("%s", text)
	}
	return d.localCA().Apply(plan)
}

// planCertificate says what ensureCertificate would do, "" for nothing.
func (a *App) planCertificate(d *deployment) (string, error) {
	if d.cfg.TLS.Mode != config.ModeFiles {
		plan, err := d.localCA().Plan(d.cfg.Names(), a.Now())
		if err != nil {
			return "", err
		}
		return plan.String(), nil
	}
	pair, err := d.files()
	if err != nil {
		return "", err
	}
	if err := pair.Check(d.cfg.Names(), a.Now()).Err(); err != nil {
		return "", err
	}
	has, err := d.certs().Has(d.cfg.Domain, pair)
	if err != nil || has {
		return "", err
	}
	return fmt.Sprintf("take over the certificate in %s\n", d.cfg.TLS.Cert), nil
}

// installFiles takes the person's pair over. When it cannot be used, but a good
// one was taken over before, that one goes on being served.
func (a *App) installFiles(d *deployment) error {
	pair, err := d.files()
	if err == nil {
		report := pair.Check(d.cfg.Names(), a.Now())
		for _, w := range report.Warnings {
			a.ui.Warn("%s: %s", d.cfg.TLS.Cert, w.Message)
		}
		err = report.Err()
	}
	if err == nil {
		_, err = d.certs().Install(d.cfg.Domain, pair)
		return err
	}
	err = fmt.Errorf("certificate %s: %w", d.cfg.TLS.Cert, err)
	live, _, liveErr := d.certs().Live(d.cfg.Domain)
	if liveErr != nil || live.Check(d.cfg.Names(), a.Now()).Err() != nil {
		return err
	}
	a.ui.Warn("%v; the pair taken over before stays in use", err)
	return nil
}

// files reads the pair that tls.cert and tls.key name.
func (d *deployment) files() (certs.Pair, error) {
	if d.cfg.TLS.Cert == "" {
		return certs.Pair{}, advice.With(errors.New("tls.mode is files, but tls.cert and tls.key name none"), "regctl config validate")
	}
	return certs.LoadFiles(d.abs(d.cfg.TLS.Cert), d.abs(d.cfg.TLS.Key))
}

// abs makes a path in regctl.yaml absolute: it is relative to the deployment.
func (d *deployment) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return d.Path(path)
}
