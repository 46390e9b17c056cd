package cli

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

func (d *deployment) localCA() certs.LocalCA {
	return certs.LocalCA{Store: d.certs(), PrivateDir: d.Path(compose.PrivateDir)}
}

// ensureCertificate makes sure that a pair which Nginx can serve lies on disk:
// issued by the local CA, taken over from the person's own files, or, where an
// ACME server is to issue it, one to start with.
func (a *App) ensureCertificate(d *deployment) error {
	if d.cfg.TLS.Mode == config.ModeLetsEncrypt {
		return a.ensureStopgap(d)
	}
	_, err := a.ensureOther(d)
	return err
}

// ensureOther is ensureCertificate where no ACME server is asked. kept says that
// the person's pair could not be used and an older one stays.
func (a *App) ensureOther(d *deployment) (kept bool, err error) {
	if d.cfg.TLS.Mode == config.ModeFiles {
		return a.installFiles(d)
	}
	plan, err := d.localCA().Plan(d.cfg.Names(), a.Now())
	if err != nil {
		return false, err
	}
	for _, w := range plan.Warnings {
		a.ui.Warn("%s", w)
	}
	if text := plan.String(); text != "" {
		a.ui.Detail("%s", text)
	}
	return false, d.localCA().Apply(plan)
}

// planCertificate says what ensureCertificate would do, and what up would ask an
// ACME server for; "" for nothing.
func (a *App) planCertificate(d *deployment) (string, error) {
	switch d.cfg.TLS.Mode {
	case config.ModeLetsEncrypt:
		return a.planACME(d)
	case config.ModeSelfSigned:
		plan, err := d.localCA().Plan(d.cfg.Names(), a.Now())
		if err != nil {
			return "", err
		}
		return plan.String(), nil
	}
	pair, _, kept, err := a.theirs(d)
	if err != nil || kept != nil {
		return "", err
	}
	has, err := d.certs().Has(d.cfg.Domain, pair)
	if err != nil || has {
		return "", err
	}
	return fmt.Sprintf("take over the certificate in %s\n", d.cfg.TLS.Cert), nil
}

// planACME says what is to be obtained, by what is known without asking.
func (a *App) planACME(d *deployment) (string, error) {
	r := &renewer{app: a, d: d, opts: certOptions{attended: true}}
	if err := r.read(); err != nil {
		return "", err
	}
	plan := ""
	if r.leaf == nil {
		plan = "make a certificate to start with\n"
	}
	if decision := r.decide(r.state); decision.Due {
		plan += fmt.Sprintf("obtain a certificate for %s from %s: %s\n", strings.Join(d.cfg.Names(), ", "), hostOf(d.cfg.ACMEServer()), decision.Why)
	}
	return plan, nil
}

// installFiles takes the person's pair over, or warns that it cannot be used.
func (a *App) installFiles(d *deployment) (kept bool, err error) {
	pair, warnings, bad, err := a.theirs(d)
	if err != nil {
		return false, err
	}
	if bad != nil {
		a.ui.Warn("%v; the pair taken over before stays in use", bad)
		return true, nil
	}
	for _, w := range warnings {
		a.ui.Warn("%s: %s", d.cfg.TLS.Cert, w.Message)
	}
	_, err = d.certs().Install(d.cfg.Domain, pair)
	return false, err
}

// theirs reads and checks the person's pair. kept says why it cannot be used
// when a good one was taken over before: that one goes on being served. Names
// that nobody has asked for, such as the addresses of localhost, are not asked of it.
func (a *App) theirs(d *deployment) (pair certs.Pair, warnings []certs.Problem, kept, err error) {
	names := append([]string{d.cfg.Domain}, d.cfg.TLS.Names...)
	pair, err = d.files()
	if err == nil {
		report := pair.Check(names, a.Now())
		warnings, err = report.Warnings, report.Err()
	}
	if err == nil {
		return pair, warnings, nil, nil
	}
	err = fmt.Errorf("certificate %s: %w", d.cfg.TLS.Cert, err)
	live, _, liveErr := d.certs().Live(d.cfg.Domain)
	if liveErr != nil || live.Check(names, a.Now()).Err() != nil {
		return pair, nil, nil, err
	}
	return pair, nil, err, nil
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

// errOtherCertificate says that the front door shows another certificate than
// the one on disk.
var errOtherCertificate = errors.New("another certificate than the one on disk is served")

// serves tells whether a certificate that was served is the one on disk.
func (d *deployment) serves(leaf *x509.Certificate) error {
	_, disk, err := d.certs().Live(d.cfg.Domain)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(leaf.Raw); hex.EncodeToString(sum[:]) != disk.Fingerprint {
		return errOtherCertificate
	}
	return nil
}
