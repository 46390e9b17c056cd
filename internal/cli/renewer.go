package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
)

// renewalFile is what is remembered between renewals.
const renewalFile = compose.StateDir + "/renewal.json"

// renewer is one run of cert issue, renew or import, or what up does of them.
type renewer struct {
	app    *App
	d      *deployment
	opts   certOptions
	engine *engine.Client // nil until it is needed
	mine   bool           // the connection is to be closed

	pair     certs.Pair // what is live
	leaf     *certs.Leaf
	stopgap  bool
	state    renewal.State
	decision renewal.Decision

	res      certResult
	worked   bool // there is something to show although the run failed
	problems bool // a person should look
}

func (r *renewer) close() {
	if r.engine != nil && r.mine {
		r.engine.Close()
	}
}

func (r *renewer) say(format string, args ...any) {
	r.res.lines = append(r.res.lines, fmt.Sprintf(format, args...))
}

// warn tells a person of something to be done.
func (r *renewer) warn(format string, args ...any) {
	r.problems = true
	r.app.ui.Warn(format, args...)
}

func (r certResult) Text(w io.Writer) {
	for _, line := range r.lines {
		fmt.Fprintln(w, line)
	}
}

// print shows the result. Under --quiet nobody is to hear of what went well.
func (r *renewer) print() error {
	if r.leaf != nil {
		r.res.Serial = r.leaf.Serial
	}
	if !r.decision.Next.IsZero() {
		r.res.Next = &r.decision.Next
	}
	if r.app.ui.Quiet && !r.app.ui.JSON {
		return nil
	}
	return r.app.ui.Result(r.res)
}

// read reads the live pair and what is remembered.
func (r *renewer) read() error {
	var err error
	if r.state, err = renewal.Load(r.d.Path(renewalFile)); errors.Is(err, renewal.ErrDamaged) {
		r.app.ui.Warn("%v; it is begun anew", err)
	} else if err != nil {
		return err
	}
	return r.readLive()
}

func (r *renewer) readLive() error {
	pair, leaf, err := r.d.certs().Live(r.d.cfg.Domain)
	r.leaf, r.stopgap = nil, false
	if _, damaged := errors.AsType[*certs.InvalidError](err); damaged || errors.Is(err, certs.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	local, err := r.d.localCA().Signed(pair)
	r.pair, r.leaf, r.stopgap = pair, &leaf, local || leaf.SelfSigned
	return err
}

// recover goes back to the pair that was issued last when a stopgap or nothing
// lies in its place: it need not be issued again. Where the live pair is damaged
// any one before it that is good still comes before a stopgap.
func (r *renewer) recover() error {
	if r.leaf != nil && !r.stopgap {
		return nil
	}
	store, domain := r.d.certs(), r.d.cfg.Domain
	if r.state.Issued != nil {
		label, err := store.Find(domain, r.state.Issued.Fingerprint)
		if err != nil {
			return err
		}
		if label != "" {
			r.app.ui.Step("going back to the certificate that was issued last")
			return r.goTo(label)
		}
	}
	if r.leaf != nil {
		return nil
	}
	label, err := store.Last(domain, func(p certs.Pair) bool {
		report := p.Check(r.d.cfg.Names(), r.app.Now())
		local, err := r.d.localCA().Signed(p)
		return report.Err() == nil && !report.Leaf.SelfSigned && err == nil && !local
	})
	if err != nil || label == "" {
		return err
	}
	r.app.ui.Warn("the certificate on disk is damaged or gone: going back to one before it")
	return r.goTo(label)
}

func (r *renewer) goTo(label string) error {
	if err := r.d.certs().GoTo(r.d.cfg.Domain, label); err != nil {
		return err
	}
	return r.readLive()
}

// decide decides by what is known now.
func (r *renewer) decide(state renewal.State) renewal.Decision {
	id := ""
	if r.leaf != nil && !r.stopgap {
		id, _ = acme.CertID(r.pair) // one without is not known to any CA
	}
	return renewal.Decide(renewal.Input{Leaf: r.leaf, CertID: id, Stopgap: r.stopgap, Wish: r.d.wish(), State: state,
		Now: r.app.Now(), Gap: state.Gap(r.app.Now()), Force: r.opts.force, Attended: r.opts.attended})
}

// look finds out whether a certificate is due, asking the CA if it is time to.
// Under --dry-run what it answers is not kept.
func (r *renewer) look(ctx context.Context) error {
	if err := r.read(); err != nil {
		return err
	}
	if !r.app.dryRun {
		if err := r.recover(); err != nil {
			return err
		}
	}
	now := r.app.Now()
	if r.leaf != nil && !r.stopgap {
		if id, err := acme.CertID(r.pair); err == nil && r.state.Asks(id, now) {
			if err := r.askWindow(ctx, id, now); err != nil {
				return err
			}
			if !r.app.dryRun { // what was drawn holds, whatever becomes of this run
				if err := r.save(); err != nil {
					return err
				}
			}
		}
	}
	r.decision = r.decide(r.state)
	r.res.Reason, r.res.Why = string(r.decision.Reason), r.decision.Why
	if r.decision.Held != "" {
		r.res.Why = r.decision.Held
	}
	return nil
}

// askTimeout bounds the question when to renew. It is asked often and matters
// little.
const askTimeout = 20 * time.Second

func (r *renewer) askWindow(ctx context.Context, id string, now time.Time) error {
	issuer, err := r.d.issuer(r.app)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	w, err := issuer.RenewalInfo(bounded, r.pair)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		r.state.SetWindow(id, w.Start, w.End, w.Explanation, w.RetryAfter, now, rand.Float64())
		return nil
	}
	r.app.ui.Detail("when to renew: %v", err)
	var wait time.Duration
	if e, ok := errors.AsType[*acme.Error](err); ok && !e.RetryAt.IsZero() {
		wait = e.RetryAt.Sub(now)
	}
	r.state.NoWindow(id, err.Error(), wait, now)
	return nil
}

// save writes down what is to be remembered.
func (r *renewer) save() error { return r.state.Save(r.d.Path(renewalFile)) }

// connect connects to the engine, once.
func (r *renewer) connect(ctx context.Context) error {
	if r.engine != nil {
		return nil
	}
	e, err := r.app.Connect(ctx)
	if err != nil {
		return err
	}
	r.engine, r.mine = e, true
	return nil
}

// nginx is the ID of the running container of Nginx, "" when it does not run.
func (r *renewer) nginx(ctx context.Context) (string, error) {
	if err := r.connect(ctx); err != nil {
		return "", err
	}
	containers, err := r.engine.Containers(ctx, r.d.cfg.Project)
	if err != nil {
		return "", err
	}
	if err := r.d.owns(containers); err != nil {
		return "", err
	}
	c, ok := find(containers, compose.ServiceNginx)
	if !ok || !c.Running() {
		return "", nil
	}
	return c.ID, nil
}

// ensureStopgap makes sure that there is a pair for Nginx to start with.
func (a *App) ensureStopgap(d *deployment) error {
	r := &renewer{app: a, d: d}
	if err := r.read(); err != nil {
		return err
	}
	if err := r.recover(); err != nil || r.leaf != nil {
		return err
	}
	pair, err := certs.Bootstrap(d.cfg.Names(), a.Now())
	if err != nil {
		return err
	}
	if fi, err := os.Lstat(d.certs().LiveDir(d.cfg.Domain)); err == nil && fi.Mode()&fs.ModeSymlink == 0 {
		return advice.With(fmt.Errorf("%s exists and is not a symbolic link", d.certs().LiveDir(d.cfg.Domain)), "move it away, then run regctl up%s", dirFlag(d.Dir))
	}
	return d.certs().InstallBootstrap(d.cfg.Domain, pair)
}
