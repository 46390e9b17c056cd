package cli

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/preflight"
)

// preflightTimeout bounds the look before the first certificate.
const preflightTimeout = 5 * time.Second

// preflight looks, before the first certificate, for what makes CAs refuse, and
// warns. It never keeps from trying: this host may see less than the CA.
func (r *renewer) preflight(ctx context.Context, issuer *acme.Issuer) {
	if r.leaf != nil && !r.stopgap {
		return
	}
	r.app.ui.Step("looking whether %s leads here", r.d.cfg.Domain)
	bounded, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	checker, names := preflight.Checker{Timeout: preflightTimeout - time.Second}, r.d.cfg.Names()
	var unresolved, unreached, forbidden []preflight.Finding
	var wait sync.WaitGroup
	wait.Go(func() { unresolved = checker.Names(bounded, names) })
	if issuer.Webroot != nil {
		wait.Go(func() {
			var err error
			if unreached, err = checker.Port80(bounded, *issuer.Webroot, acme.ChallengePath, names); err != nil {
				r.app.ui.Detail("port 80 was not looked at: %v", err)
			}
		})
	}
	wait.Go(func() {
		if dir, err := issuer.Describe(bounded); err == nil {
			forbidden = checker.CAA(bounded, names, dir.Identities, r.d.cfg.ACME.Challenge)
		}
	})
	wait.Wait()
	unresolvable := map[string]bool{}
	for _, f := range unresolved {
		unresolvable[f.Name] = true
	}
	// What does not resolve does not answer either.
	unreached = slices.DeleteFunc(unreached, func(f preflight.Finding) bool { return unresolvable[f.Name] })
	for _, f := range slices.Concat(unresolved, unreached, forbidden) {
		r.app.ui.Warn("%s %s", f.Name, f.Problem)
		r.app.ui.Step("  %s", f.Fix)
	}
}
