package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/config"
)

type certImportOptions struct{ cert, key string }

func newCertImportCommand(a *App) *cobra.Command {
	var o certImportOptions
	c := &cobra.Command{
		Use:   "import [DIR] | --cert FILE --key FILE",
		Short: "Take over a certificate that is there already, and go on renewing it",
		Long: `Take over a pair that another program obtained: two files, or one of certbot's
live directories. It is checked first: the key fits, the chain is in order, names
and dates are right. From then on regctl cert renew renews it.

It is for tls.mode letsencrypt. Under files name the pair in regctl.yaml, and
regctl cert renew takes it over whenever it changes.`,
		Example: `  regctl cert import /etc/letsencrypt/live/registry.example.com`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usagef("%s takes one directory, got %d arguments", cmd.CommandPath(), len(args))
			case len(args) == 1 && (o.cert != "" || o.key != ""):
				return usagef("name a directory, or --cert and --key")
			case len(args) == 0 && (o.cert == "" || o.key == ""):
				return usagef("name one of certbot's live directories, or --cert and --key")
			}
			if len(args) == 1 {
				o.cert, o.key = filepath.Join(args[0], "fullchain.pem"), filepath.Join(args[0], "privkey.pem")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCertImport(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.cert, "cert", "", "certificate chain in PEM, the server's own first")
	c.Flags().StringVar(&o.key, "key", "", "its private key in PEM")
	return c
}

func (a *App) runCertImport(ctx context.Context, o certImportOptions) error {
	began := a.Now()
	d, err := a.open()
	if err != nil {
		return err
	}
	if mode := d.cfg.TLS.Mode; mode != config.ModeLetsEncrypt {
		hint := "set tls.mode: letsencrypt to go on renewing it, or files to serve it as it is"
		if mode == config.ModeFiles {
			hint = "name the files in tls.cert and tls.key: regctl cert renew takes them over whenever they change"
		}
		return advice.With(&modeError{fmt.Sprintf("under tls.mode %s an imported certificate would be replaced by the next regctl up", mode)}, "%s", hint)
	}
	pair, err := certs.LoadFiles(o.cert, o.key)
	if err != nil {
		return err
	}
	report := pair.Check(d.cfg.Names(), a.Now())
	if err := report.Err(); err != nil {
		return fmt.Errorf("%s: %w", o.cert, err)
	}
	if report.Leaf.SelfSigned {
		return advice.With(&modeError{fmt.Sprintf("%s is signed by itself: under tls.mode letsencrypt the next regctl cert renew would replace it", o.cert)},
			"set tls.mode: files to serve it as it is")
	}
	for _, w := range report.Warnings {
		a.ui.Warn("%s: %s", o.cert, w.Message)
	}
	r := &renewer{app: a, d: d, res: certResult{Domain: d.cfg.Domain, Names: report.Leaf.Names, DryRun: a.dryRun, Reason: "imported", Why: "taken over from " + o.cert}}
	defer r.close()
	if err := r.importPair(ctx, pair, o.cert); err != nil && !r.worked {
		return err
	} else {
		r.res.Millis = a.Now().Sub(began).Milliseconds()
		if printErr := r.print(); printErr != nil || err != nil {
			return errors.Join(printErr, err)
		}
	}
	if r.problems {
		return errProblems
	}
	return nil
}

func (r *renewer) importPair(ctx context.Context, pair certs.Pair, from string) error {
	store, domain := r.d.certs(), r.d.cfg.Domain
	if err := r.d.renderedFor(domain); err != nil {
		return err
	}
	if r.app.dryRun {
		if has, err := store.Has(domain, pair); err != nil {
			return err
		} else if has {
			r.say("would do nothing: it is in use already")
		} else {
			r.say("would take over %s", from)
		}
		return nil
	}
	held, err := lockDeployment(ctx, r.d.Layout, "cert import")
	if err != nil {
		return err
	}
	defer held.Release()
	before, err := store.Current(domain)
	if err != nil && !errors.Is(err, certs.ErrNone) {
		return err
	}
	if r.res.Changed, err = store.Install(domain, pair); err != nil {
		return err
	}
	if err := r.read(); err != nil {
		return err
	}
	r.worked = true
	if r.state.Attempt != nil { // what it was about is settled
		r.state.Attempt = nil
		if err := r.save(); err != nil {
			return err
		}
	}
	r.decision = r.decide(r.state)
	if !r.res.Changed {
		r.say("%s is in use already", from)
		return r.heal(ctx)
	}
	r.say("took over %s, good until %s", from, r.leaf.NotAfter.UTC().Format(time.DateOnly))
	return r.deploy(ctx, before)
}
