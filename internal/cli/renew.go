package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/certs/renewal"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
)

// renew obtains a certificate if one is due, and has what lies on disk served.
func (r *renewer) renew(ctx context.Context) error {
	d := r.decision
	r.state.LastRun = r.app.Now()
	switch {
	case d.Due:
		return r.obtain(ctx)
	case d.Reason == renewal.Future:
		r.warn("the certificate of %s: %s", r.d.cfg.Domain, d.Why)
	case d.Held != "" && (r.leaf == nil || r.stopgap || r.overdue()):
		r.warn("%s needs a certificate (%s), but not now: %s", r.d.cfg.Domain, d.Why, d.Held)
	case d.Held != "":
		r.say("not renewed: %s", d.Held)
	default:
		r.say("nothing to do: the certificate of %s is good until %s; next renewal %s",
			r.d.cfg.Domain, r.leaf.NotAfter.UTC().Format(time.DateOnly), d.Next.UTC().Format("2006-01-02 15:04Z"))
	}
	if err := r.save(); err != nil {
		return err
	}
	return r.heal(ctx)
}

// overdue says whether less than a quarter of the certificate's life is left.
func (r *renewer) overdue() bool { return r.leaf != nil && overdue(*r.leaf, r.app.Now()) }

func overdue(l certs.Leaf, now time.Time) bool {
	return l.NotAfter.Sub(now)*4 < l.NotAfter.Sub(l.NotBefore)
}

// obtain orders a certificate, installs it and has it served.
func (r *renewer) obtain(ctx context.Context) error {
	issuer, err := r.d.issuer(r.app)
	if err != nil {
		return err
	}
	if err := r.d.answers(r.app, issuer); err != nil {
		return err
	}
	if err := r.ready(ctx, issuer); err != nil {
		return err
	}
	r.preflight(ctx, issuer)
	issued, err := r.order(ctx, issuer)
	if err != nil {
		return r.failed(ctx, err)
	}
	for _, w := range issued.Warnings {
		r.app.ui.Warn("%s", w)
	}
	before, err := r.d.certs().Current(r.d.cfg.Domain)
	if err != nil && !errors.Is(err, certs.ErrNone) {
		return err
	}
	if _, err := r.d.certs().Install(r.d.cfg.Domain, issued.Pair); err != nil {
		return err
	}
	wish := r.d.wish()
	r.state.Succeed(r.app.Now(), renewal.Issued{Fingerprint: issued.Leaf.Fingerprint, Names: wish.Names, Profile: wish.Profile,
		Server: wish.Server, NotBefore: issued.Leaf.NotBefore, NotAfter: issued.Leaf.NotAfter}, issued.Replaces)
	if err := r.save(); err != nil {
		return err
	}
	r.res.Changed, r.res.Issued, r.worked = true, true, true
	if err := r.readLive(); err != nil {
		return err
	}
	r.say("issued a certificate for %s by %s, good until %s", strings.Join(issued.Leaf.Names, ", "), issued.Leaf.Issuer, issued.Leaf.NotAfter.UTC().Format(time.DateOnly))
	err = r.deploy(ctx, before)
	r.decision.Next = r.decide(r.state).Next
	return err
}

// ready finds out what would make the certificate useless, before it costs
// anything: a disk that cannot be written, a configuration that Nginx refuses,
// nobody to answer the CA.
func (r *renewer) ready(ctx context.Context, issuer *acme.Issuer) error {
	if issuer.Webroot != nil {
		if err := r.d.answers80(); err != nil {
			return err
		}
	}
	if err := r.d.certs().Probe(r.d.cfg.Domain); err != nil {
		return err
	}
	id, err := r.nginx(ctx)
	if err != nil {
		return err
	}
	if id == "" {
		if issuer.Webroot == nil {
			return nil
		}
		return advice.With(fmt.Errorf("nginx does not run, and the CA asks it for the proof (acme.challenge %s)", config.HTTP01), "regctl up%s", dirFlag(r.d.Dir))
	}
	return r.testNginx(ctx)
}

// order asks the CA. What has to be known if this is killed is written first.
func (r *renewer) order(ctx context.Context, issuer *acme.Issuer) (*acme.Issued, error) {
	wish := r.d.wish()
	r.state.Begin(r.app.Now(), wish.Server)
	if err := r.save(); err != nil {
		return nil, err
	}
	r.app.ui.Step("asking %s for a certificate for %s: %s", hostOf(wish.Server), strings.Join(wish.Names, ", "), r.decision.Why)
	req := acme.Request{Names: wish.Names, KeyType: r.d.cfg.ACME.KeyType, Profile: wish.Profile, PreferredChain: r.d.cfg.ACME.PreferredChain}
	if r.leaf != nil && !r.stopgap {
		if id, err := acme.CertID(r.pair); err == nil {
			req.Replaces = id
		}
	}
	return issuer.Obtain(ctx, req)
}

// failed writes down why no certificate came, and has what there is served.
func (r *renewer) failed(ctx context.Context, err error) error {
	kind, retryAt := "failed", time.Time{}
	e, ok := errors.AsType[*acme.Error](err)
	if ok {
		kind, retryAt = string(e.Kind), e.RetryAt
	}
	if ctx.Err() != nil {
		return err // begun and not ended, as is written down already
	}
	if ok && e.TermsAt != "" {
		r.state.Attempt = nil // nothing was asked for
	} else {
		r.state.Fail(r.app.Now(), kind, err.Error(), retryAt)
	}
	if saveErr := r.save(); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	if healErr := r.heal(ctx); healErr != nil {
		r.app.ui.Warn("%v", healErr)
	}
	return err
}

// rehearse tries what renew would do, and changes nothing that lasts.
func (r *renewer) rehearse(ctx context.Context) error {
	d := r.decision
	if !d.Due {
		r.say("would do nothing: %s", r.res.Why)
		return nil
	}
	issuer, err := r.d.issuer(r.app)
	if err != nil {
		return err
	}
	r.res.Issued = true
	r.say("would ask %s for a certificate for %s: %s", hostOf(issuer.Directory), strings.Join(r.res.Names, ", "), d.Why)
	if r.d.cfg.ACME.EAB.KeyID != "" {
		r.say("not tried: a further account would use up an external account's key")
		return nil
	}
	if err := r.d.answers(r.app, issuer); err != nil {
		return err
	}
	if id, err := r.nginx(ctx); issuer.Webroot != nil && (err != nil || id == "") {
		if err == nil {
			err = errors.New("nginx does not run")
		}
		r.say("not tried: %v", err)
		return ctx.Err()
	}
	issuer.Ephemeral = true
	issuer.Directory = acme.Staging(issuer.Directory)
	r.preflight(ctx, issuer)
	r.app.ui.Step("trying it at %s", hostOf(issuer.Directory))
	_, err = issuer.Obtain(ctx, acme.Request{Names: r.d.wish().Names, KeyType: r.d.cfg.ACME.KeyType, Profile: r.d.wish().Profile})
	if err != nil {
		r.worked = true
		return fmt.Errorf("tried at %s: %w", hostOf(issuer.Directory), err)
	}
	r.say("tried at %s: it works", hostOf(issuer.Directory))
	return nil
}

// renewOther renews where no ACME server is asked: by the local CA, or from the
// person's own files.
func (r *renewer) renewOther(ctx context.Context) error {
	plan, err := r.app.planCertificate(r.d)
	if err != nil {
		return err
	}
	if r.opts.force {
		r.app.ui.Step("--force is for tls.mode letsencrypt: nothing is issued here before it is due")
	}
	if r.app.dryRun {
		if plan == "" {
			r.say("would do nothing")
		}
		for line := range strings.Lines(plan) {
			r.say("would %s", strings.TrimSpace(line))
		}
		return r.readLive()
	}
	before, err := r.d.certs().Current(r.d.cfg.Domain)
	if err != nil && !errors.Is(err, certs.ErrNone) {
		return err
	}
	kept, err := r.app.ensureOther(r.d)
	if err != nil {
		return err
	}
	r.problems = r.problems || kept
	after, err := r.d.certs().Current(r.d.cfg.Domain)
	if err != nil {
		return err
	}
	if err := r.readLive(); err != nil {
		return err
	}
	r.res.Changed = before != after
	if !r.res.Changed {
		r.say("nothing to do: the certificate of %s is good until %s", r.d.cfg.Domain, r.leaf.NotAfter.UTC().Format(time.DateOnly))
		return r.heal(ctx)
	}
	r.worked = true
	r.res.Reason, r.res.Why = string(renewal.Changed), strings.TrimSpace(plan)
	r.say("%s", strings.TrimSpace(plan))
	return r.deploy(ctx, before)
}

func hostOf(address string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(address, "https://"), "/")
	return host
}

// serves80 is in nginx.conf when port 80 is answered.
const serves80 = "location ^~ " + acme.ChallengePath

// renderedFor makes sure that the configuration which Nginx has, or will have,
// looks for the certificate where it is put: another domain is another directory.
func (d *deployment) renderedFor(domain string) error {
	conf, err := os.ReadFile(d.Path(compose.NginxConf))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // up writes it
	}
	if err != nil {
		return err
	}
	if !bytes.Contains(conf, []byte("/live/"+domain+"/fullchain.pem")) {
		return advice.With(fmt.Errorf("%s serves another name than %s, the domain of regctl.yaml", d.Path(compose.NginxConf), domain), "regctl up%s", dirFlag(d.Dir))
	}
	return nil
}

// answers80 makes sure that a CA which asks on port 80 can be answered.
func (d *deployment) answers80() error {
	conf, err := os.ReadFile(d.Path(compose.NginxConf))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Contains(conf, []byte(serves80)) {
		return advice.With(fmt.Errorf("nginx does not answer on port 80 yet, where the CA asks (acme.challenge %s)", config.HTTP01), "regctl up%s", dirFlag(d.Dir))
	}
	return nil
}

// stampOnDisk is the stamp of the configuration that Nginx would load now, which
// need not be the one that regctl.yaml asks for.
func (d *deployment) stampOnDisk() (string, error) {
	data, err := os.ReadFile(d.Path(compose.NginxConf))
	if err != nil {
		return "", err
	}
	stamp := compose.Stamp([]compose.File{{Path: compose.NginxConf, Data: data}})
	if stamp == "" {
		return "", advice.With(fmt.Errorf("%s has no stamp: somebody has edited it", d.Path(compose.NginxConf)), "regctl diff%s shows the changes", dirFlag(d.Dir))
	}
	return stamp, nil
}
