package cli

import (
	"fmt"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/config"
)

// termsOf says where the terms of service of an ACME server are to be read. Where
// regctl does not know, the server tells when it is asked for a certificate.
func termsOf(cfg *config.Config) string {
	if cfg.ACMEServer() == config.LetsEncrypt {
		return "Let's Encrypt's subscriber agreement: https://letsencrypt.org/repository/"
	}
	return "the terms of service of " + hostOf(cfg.ACMEServer())
}

// askTerms asks a person at a terminal to agree to the terms of service. --yes
// does not answer this: it is not a question of what regctl may do.
func (a *App) askTerms(cfg *config.Config) {
	if cfg.TLS.Mode != config.ModeLetsEncrypt || cfg.ACME.AgreeTOS || a.dryRun || !ui.IsTerminal(a.In) {
		return
	}
	// No answer is no agreement; up asks for it again.
	cfg.ACME.AgreeTOS = a.ui.Confirm(a.In, fmt.Sprintf("A certificate needs your agreement to %s\nDo you agree?", termsOf(cfg)))
}

// termsText tells what is left to do about the terms, "" for nothing.
func termsText(cfg *config.Config, dir string) string {
	if cfg.TLS.Mode != config.ModeLetsEncrypt || cfg.ACME.AgreeTOS {
		return ""
	}
	return fmt.Sprintf("No certificate is asked for before you agree to %s\nIf you do, set acme.agree_tos: true in %s/%s.", termsOf(cfg), dir, config.FileName)
}
