package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/config"
)

type certOptions struct {
	force    bool
	noJitter bool
	attended bool // a person is there: an attempt that failed need not be waited for
}

func newCertIssueCommand(a *App) *cobra.Command {
	o := certOptions{attended: true, noJitter: true}
	c := &cobra.Command{
		Use:   "issue",
		Short: "Obtain a certificate from the ACME server now, if one is needed",
		Long: `Obtain a certificate from the ACME server, put it into use and prove that it is
served. Unlike renew it does not wait after an attempt that failed. With a
certificate that is good for long it does nothing, unless --force is given: a CA
issues only some a week for the same names (Let's Encrypt: five).`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCertIssue(cmd.Context(), o) },
	}
	c.Flags().BoolVar(&o.force, "force", false, "also when none is due; limits that the CA is known to have are kept all the same")
	return c
}

func (a *App) runCertIssue(ctx context.Context, o certOptions) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	if d.cfg.TLS.Mode != config.ModeLetsEncrypt {
		return advice.With(&modeError{fmt.Sprintf("tls.mode is %s, which asks no ACME server for a certificate", d.cfg.TLS.Mode)},
			"set tls.mode: letsencrypt, then regctl up%s; what lies on disk is renewed by regctl cert renew%s", dirFlag(d.Dir), dirFlag(d.Dir))
	}
	return a.certRun(ctx, d, "cert issue", o)
}
