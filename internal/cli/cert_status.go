package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/config"
)

func newCertStatusCommand(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the certificate, when it is renewed next and how the last attempt went",
		Long: `Show the certificate on disk and whether it is the one served, when it is renewed
next and how the last attempt went, and the account at the CA. It asks the front
door, and nobody else.

Exit status 3 when a person should act: less than a quarter of the certificate's
life is left and the last attempt failed, there is none from the CA yet, or
another one is served than lies on disk.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCertStatus(cmd.Context()) },
	}
}

// certStatusResult is the certificate on disk and what goes with it.
type certStatusResult struct {
	Domain      string    `json:"domain" doc:"under which the certificate is stored"`
	Mode        string    `json:"mode" doc:"letsencrypt, selfsigned or files"`
	Names       []string  `json:"names" doc:"DNS names and addresses that it covers"`
	Issuer      string    `json:"issuer" doc:"who signed it"`
	NotBefore   time.Time `json:"not_before" doc:"its begin"`
	NotAfter    time.Time `json:"not_after" doc:"its end"`
	DaysLeft    int       `json:"days_left" doc:"whole days, negative when over"`
	KeyType     string    `json:"key_type" doc:"EC P-256, RSA 2048, …"`
	Profile     string    `json:"profile" doc:"of the CA, that it was issued by; empty: the CA's default, or unknown"`
	Serial      string    `json:"serial" doc:"hexadecimal"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256, hexadecimal"`
	Stopgap     bool      `json:"stopgap" doc:"it only fills in until one is issued"`

	Served *certificateInfo `json:"served" doc:"what the port shows; null when nothing answers"`
	Same   bool             `json:"same" doc:"that is the one on disk"`

	NextRenewal *time.Time    `json:"next_renewal" doc:"time, null: not planned"`
	Why         string        `json:"why" doc:"what the next renewal goes by, or what holds it back"`
	Window      *renewWindow  `json:"renewal_window" doc:"when the CA wants it renewed (ARI); null: it was not asked, or does not say"`
	LastAttempt *certAttempt  `json:"last_attempt" doc:"the last that failed; null when the last succeeded, or there was none"`
	LastSuccess *time.Time    `json:"last_success" doc:"time of the last that succeeded; null: none is known"`
	Account     *certsAccount `json:"account" doc:"at the CA; null: none yet"`
	Problems    []string      `json:"problems" doc:"what needs a person; not empty: exit status 3"`
}

type renewWindow struct {
	Start       *time.Time `json:"start" doc:"its begin, null: the CA has never told"`
	End         *time.Time `json:"end" doc:"its end, or null"`
	Drawn       *time.Time `json:"drawn" doc:"the instant in it that was drawn, or null"`
	Asked       time.Time  `json:"asked" doc:"when the CA was asked last"`
	Explanation string     `json:"explanation" doc:"the CA's page about it, or empty"`
	Error       string     `json:"error" doc:"why the last question had no answer, or empty"`
}

type certAttempt struct {
	At    time.Time `json:"at" doc:"time"`
	Count int       `json:"count" doc:"how many have failed in a row"`
	Kind  string    `json:"kind" doc:"a stable word: unreachable, rate-limited, account, binding, validation, rejected, clock, unexpected, solver, refused, interrupted or failed"`
	Error string    `json:"error" doc:"what was said"`
	Next  time.Time `json:"next" doc:"not to be tried again before"`
}

type certsAccount struct {
	Directory string    `json:"directory" doc:"URL of the ACME directory"`
	URI       string    `json:"uri" doc:"the CA's name for it"`
	Email     string    `json:"email" doc:"that the CA was told, or empty"`
	Terms     string    `json:"terms" doc:"URL of the terms that were agreed to"`
	Created   time.Time `json:"created" doc:"time"`
}

func (r certStatusResult) Text(w io.Writer) {
	when := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }
	rows := [][]string{}
	add := func(name, format string, args ...any) {
		rows = append(rows, []string{name, fmt.Sprintf(format, args...)})
	}
	if len(r.Names) > 0 {
		add("names", "%s", strings.Join(r.Names, ", "))
		add("issuer", "%s", r.Issuer)
		add("valid", "%s to %s, %d days left", when(r.NotBefore), when(r.NotAfter), r.DaysLeft)
		add("key", "%s", r.KeyType)
		if r.Profile != "" {
			add("profile", "%s", r.Profile)
		}
		add("serial", "%s", r.Serial)
	}
	switch {
	case r.Served == nil:
		add("served", "nothing answers")
	case r.Same:
		add("served", "yes")
	default:
		add("served", "another one: serial %s, until %s", r.Served.Serial, when(r.Served.NotAfter))
	}
	if r.NextRenewal != nil {
		add("next renewal", "%s (%s)", when(*r.NextRenewal), r.Why)
	} else if r.Why != "" {
		add("next renewal", "%s", r.Why)
	}
	if x := r.Window; x != nil && x.Drawn != nil {
		add("CA's window", "%s to %s, drawn %s", when(*x.Start), when(*x.End), when(*x.Drawn))
	}
	if x := r.LastAttempt; x != nil {
		add("last attempt", "%s failed (%d in a row): %s", when(x.At), x.Count, x.Error)
	}
	if x := r.Account; x != nil {
		add("account", "%s", x.URI)
	}
	ui.Table(w, rows)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "! %s\n", p)
	}
}

func (a *App) runCertStatus(ctx context.Context) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	res := certStatusResult{Domain: d.cfg.Domain, Mode: d.cfg.TLS.Mode, Names: []string{}, Problems: []string{}}
	problem := func(format string, args ...any) { res.Problems = append(res.Problems, fmt.Sprintf(format, args...)) }
	r := &renewer{app: a, d: d}
	if err := r.read(); err != nil {
		return err
	}
	if l := r.leaf; l == nil {
		problem("there is no certificate on disk; regctl up%s begins with one", dirFlag(d.Dir))
	} else {
		res.Names, res.Issuer, res.NotBefore, res.NotAfter, res.DaysLeft = l.Names, l.Issuer, l.NotBefore, l.NotAfter, l.DaysLeft(a.Now())
		res.KeyType, res.Serial, res.Fingerprint = l.KeyType, l.Serial, l.Fingerprint
		res.Stopgap = r.stopgap && d.cfg.TLS.Mode == config.ModeLetsEncrypt
		if i := r.state.Issued; i != nil && i.Fingerprint == l.Fingerprint {
			res.Profile = i.Profile
		}
	}
	if served, err := certs.Served(ctx, d.dialAddr(), d.cfg.Domain); err == nil {
		res.Served = a.certificateInfo(served)
		if res.Same = r.leaf != nil && served.Fingerprint == r.leaf.Fingerprint; !res.Same && r.leaf != nil {
			command := "cert renew"
			if d.renderedFor(d.cfg.Domain) != nil {
				command = "up"
			}
			problem("the certificate served is not the one on disk; regctl %s%s loads it", command, dirFlag(d.Dir))
		}
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case d.cfg.TLS.Mode == config.ModeLetsEncrypt:
		if err := res.fromACME(a, r); err != nil {
			return err
		}
	case r.leaf != nil:
		res.Why = "by the local CA with a third of its life left"
		if d.cfg.TLS.Mode == config.ModeFiles {
			res.Why = "when " + d.cfg.TLS.Cert + " changes"
		} else if next := r.leaf.NotAfter.Add(-r.leaf.NotAfter.Sub(r.leaf.NotBefore) / 3); true {
			res.NextRenewal = &next
		}
		if days := res.DaysLeft; days < soon {
			problem("the certificate ends in %d days", days)
		}
	}
	if err := a.ui.Result(res); err != nil {
		return err
	}
	if len(res.Problems) > 0 {
		return errProblems
	}
	return nil
}

// fromACME adds what is remembered of the CA.
func (res *certStatusResult) fromACME(a *App, r *renewer) error {
	next, problems := r.problemsOf()
	res.NextRenewal, res.Problems = next, append(res.Problems, problems...)
	d := r.decide(r.state)
	if res.Why = d.Why; d.Held != "" {
		res.Why = d.Held
	}
	if w := r.state.Window; w != nil {
		res.Window = &renewWindow{Asked: w.Asked, Explanation: w.Explanation, Error: w.Error}
		if !w.Draw.IsZero() {
			res.Window.Start, res.Window.End, res.Window.Drawn = &w.Start, &w.End, &w.Draw
		}
	}
	if x := r.state.Attempt; x != nil {
		res.LastAttempt = &certAttempt{At: x.At, Count: x.Count, Kind: x.Kind, Error: x.Error, Next: x.Next}
	}
	if i := r.state.Issued; i != nil {
		res.LastSuccess = &i.At
	}
	info, err := r.d.accounts().Info(r.d.cfg.ACMEServer())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		res.Problems = append(res.Problems, fmt.Sprintf("the ACME account: %v", err))
	default:
		res.Account = &certsAccount{Directory: info.Directory, URI: info.URI, Email: info.Email, Terms: info.Terms, Created: info.Created}
	}
	return nil
}

// renewalProblems says for status when the certificate is renewed next, and what
// needs a person.
func (a *App) renewalProblems(d *deployment) (*time.Time, []string) {
	r := &renewer{app: a, d: d}
	if err := r.read(); err != nil {
		return nil, []string{fmt.Sprintf("certificate: %v", err)}
	}
	return r.problemsOf()
}

func (r *renewer) problemsOf() (next *time.Time, problems []string) {
	d := r.decide(r.state)
	if !d.Next.IsZero() {
		next = &d.Next
	}
	failed := ""
	if x := r.state.Attempt; x != nil {
		failed = fmt.Sprintf("the last attempt, at %s, failed: %s", x.At.UTC().Format("2006-01-02 15:04Z"), x.Error)
	}
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	switch {
	case r.leaf == nil || r.stopgap:
		if failed == "" {
			failed = "regctl cert issue" + dirFlag(r.d.Dir)
		}
		add("no certificate was issued yet, and no client trusts what is served: %s", failed)
	case d.Reason == renewal.Future:
		add("the certificate: %s", d.Why)
	case r.leaf.NotAfter.Before(r.app.Now()):
		if failed == "" {
			failed = "regctl cert renew" + dirFlag(r.d.Dir)
		}
		add("the certificate has expired: %s", failed)
	case r.overdue() && failed != "":
		add("the certificate ends in %d days: %s", r.leaf.DaysLeft(r.app.Now()), failed)
	}
	return next, problems
}
