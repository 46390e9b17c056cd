package acme

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/acme"
	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/lego"
	legolog "github.com/go-acme/lego/v4/log"
	"github.com/go-acme/lego/v4/registration"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
)

// orderTimeout bounds the wait for a certificate that the CA is making; lego
// asks sixty times in it.
const orderTimeout = time.Minute

// silence stops lego's global logger, which writes to standard error. What is
// worth knowing is told by the solver and the errors.
var silence = sync.OnceFunc(func() { legolog.Logger = silent{} })

type silent struct{}

func (silent) Fatal(...any)          { panic("lego wants to end the process") }
func (silent) Fatalln(...any)        { panic("lego wants to end the process") }
func (silent) Fatalf(string, ...any) { panic("lego wants to end the process") }
func (silent) Print(...any)          {}
func (silent) Println(...any)        {}
func (silent) Printf(string, ...any) {}

// user is lego's view of an account.
type user struct {
	email string
	reg   *registration.Resource
	key   crypto.PrivateKey
}

func (u *user) GetEmail() string                        { return u.email }
func (u *user) GetRegistration() *registration.Resource { return u.reg }
func (u *user) GetPrivateKey() crypto.PrivateKey        { return u.key }

// client is a lego client for one account, and the transport it speaks through.
type client struct {
	*lego.Client
	t *transport
}

func (i *Issuer) connect(ctx context.Context, acc *account, plain bool) (*client, error) {
	silence()
	hc, t := newClient(ctx, i.Roots, i.Agent, i.now)
	u := &user{email: i.Email, key: acc.key}
	if acc.URI != "" {
		u.reg = &registration.Resource{URI: acc.URI}
	}
	c, err := lego.NewClient(&lego.Config{
		CADirURL: i.Directory, User: u, UserAgent: i.Agent, HTTPClient: hc,
		Certificate: lego.CertificateConfig{KeyType: certcrypto.EC256, Timeout: orderTimeout, DisableCommonName: !plain},
	})
	if err != nil {
		return nil, i.explain(ctx, err, t)
	}
	return &client{c, t}, nil
}

// obtain runs one order. ctx ends every request.
func (i *Issuer) obtain(ctx context.Context, r Request, key crypto.Signer, web *webrootSolver) (*Issued, error) {
	acc, err := i.loadAccount()
	if err != nil {
		return nil, err
	}
	// A common name is still looked at by some clients of private CAs; the profiles
	// of Let's Encrypt have none, and an IP address must not be one.
	plain := r.Profile == "" && !hasIP(r.Names)
	c, err := i.connect(ctx, acc, plain)
	if err != nil {
		return nil, err
	}
	if skew, ok := c.t.apart(); ok && skew.Abs() > mostSkew {
		return nil, advice.With(&Error{Kind: Clock, text: fmt.Sprintf("this machine's clock is %s that of %s", behind(skew), i.host())},
			"set the clock (timedatectl set-ntp true), then regctl cert issue")
	}
	if c, err = i.register(ctx, acc, c, plain); err != nil {
		return nil, err
	}
	if i.Ephemeral {
		defer c.Registration.DeleteRegistration()
	}
	done, err := i.solve(c, web)
	if err != nil {
		return nil, err
	}
	defer done()
	i.log("ordering a certificate for %s at %s", strings.Join(r.Names, ", "), i.host())
	req := certificate.ObtainRequest{Domains: slices.Clone(r.Names), PrivateKey: key, Bundle: true,
		Profile: r.Profile, PreferredChain: r.PreferredChain, ReplacesCertID: r.Replaces}
	res, err := c.Certificate.Obtain(req)
	replaced := r.Replaces != ""
	if err != nil && replaced && refusedReplaces(err) {
		i.log("the CA does not take the order for a replacement; once more without saying so")
		req.ReplacesCertID, replaced = "", false
		res, err = c.Certificate.Obtain(req)
	}
	if err != nil { // also when something came with it
		if web != nil && web.err != nil {
			return nil, &Error{Kind: Solver, err: web.err, text: fmt.Sprintf("the answer to the CA cannot be put up: %v", web.err)}
		}
		return nil, i.refusal(ctx, err, acc, c)
	}
	if res == nil || len(res.Certificate) == 0 {
		return nil, &Error{Kind: Unexpected, text: i.host() + " gave no certificate"}
	}
	return &Issued{Pair: certs.Pair{Fullchain: res.Certificate, Key: certcrypto.PEMEncode(key)}, Replaces: replaced && !c.t.conflict()}, nil
}

// solve sets the one solver.
func (i *Issuer) solve(c *client, web *webrootSolver) (done func(), err error) {
	if web != nil {
		return func() {}, c.Challenge.SetHTTP01Provider(web)
	}
	p, done, err := i.DNS.open()
	if err != nil {
		return nil, &Error{Kind: Solver, err: err, text: fmt.Sprintf("dns-01 through %s: %v", i.DNS.Provider, err)}
	}
	return done, c.Challenge.SetDNS01Provider(p,
		dns01.CondOption(len(i.DNS.Resolvers) > 0, dns01.AddRecursiveNameservers(i.DNS.Resolvers)),
		dns01.CondOption(i.DNS.Wait > 0, dns01.PropagationWait(i.DNS.Wait, true)))
}

func (i *Issuer) loadAccount() (*account, error) {
	if !i.Ephemeral {
		return i.Accounts.load(i.Directory)
	}
	return Accounts{Dir: "/nonexistent"}.load(i.Directory) // where there is never one
}

// register makes sure that the account is one of the CA's. The client that it
// returns speaks for it.
func (i *Issuer) register(ctx context.Context, acc *account, c *client, plain bool) (*client, error) {
	if acc.URI != "" {
		i.tellEmail(acc, c)
		return c, nil
	}
	terms := c.GetToSURL()
	if !acc.fresh { // its key may be registered already
		if reg, err := c.Registration.ResolveAccountByKey(); err == nil {
			acc.URI, acc.Terms, acc.Created = reg.URI, terms, i.now()
			if err := acc.saveInfo(); err != nil {
				return nil, err
			}
			return i.connect(ctx, acc, plain)
		} else if problem(err) == nil || strings.TrimPrefix(problem(err).Type, problemPrefix) != "accountDoesNotExist" {
			return nil, i.refusal(ctx, err, acc, c)
		}
	}
	if terms != "" && !i.AgreeTOS {
		return nil, i.termsError(terms)
	}
	if c.GetExternalAccountRequired() && i.Binding == nil {
		return nil, advice.With(&Error{Kind: Binding, text: i.host() + " asks for an external account"},
			"get a key id and an HMAC key from the CA; set acme.eab.key_id in regctl.yaml, and the key in a file of mode 0600 named by acme.eab.hmac_file")
	}
	if acc.fresh && !i.Ephemeral {
		if err := acc.saveKey(); err != nil {
			return nil, err
		}
	}
	i.log("registering an account at %s", i.host())
	var reg *registration.Resource
	var err error
	if b := i.Binding; b != nil {
		reg, err = c.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{
			TermsOfServiceAgreed: true, Kid: b.KeyID, HmacEncoded: strings.TrimRight(b.HMAC, "=")})
		acc.KeyID = b.KeyID
	} else {
		reg, err = c.Registration.Register(registration.RegisterOptions{TermsOfServiceAgreed: true})
	}
	if err != nil {
		return nil, i.bindingRefused(i.refusal(ctx, err, acc, c))
	}
	acc.URI, acc.Email, acc.Terms, acc.Created = reg.URI, i.Email, terms, i.now()
	if !i.Ephemeral {
		if err := acc.saveInfo(); err != nil {
			return nil, err
		}
	}
	return i.connect(ctx, acc, plain)
}

// tellEmail tells the CA another address. It does not matter enough to fail.
func (i *Issuer) tellEmail(acc *account, c *client) {
	if i.Ephemeral || acc.Email == i.Email {
		return
	}
	if _, err := c.Registration.UpdateRegistration(registration.RegisterOptions{TermsOfServiceAgreed: true}); err != nil {
		i.log("the CA was not told the address %q: %v", i.Email, oneLine(err.Error()))
		return
	}
	acc.Email = i.Email
	if err := acc.saveInfo(); err != nil {
		i.log("the account was not written: %v", err)
	}
}

func problem(err error) *acme.ProblemDetails {
	var p *acme.ProblemDetails
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// refusedReplaces says whether an order was refused at its very beginning, which
// lego passes on as it came, for what may be the certificate that it names: 409
// by RFC 9773, 403 after a change of account, 404 and 500 where the CA does not
// know it.
func refusedReplaces(err error) bool {
	p, ok := err.(*acme.ProblemDetails)
	if !ok {
		return errors.As(err, new(*acme.AlreadyReplacedError))
	}
	return slices.Contains([]int{400, 403, 404, 409, 500}, p.HTTPStatus) && p.Type != acme.RateLimitedErr
}

// refusal turns lego's errors into ours, and finds out whether it is the account
// that the CA does not take.
func (i *Issuer) refusal(ctx context.Context, err error, acc *account, c *client) error {
	err = i.explain(ctx, err, c.t)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Account && !(e.Kind == Refused && (e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized)) || acc.URI == "" {
		return err
	}
	reg, queryErr := c.Registration.QueryRegistration()
	switch {
	case queryErr == nil && reg.Body.Status == "valid":
		return err
	case queryErr == nil:
		e.text = fmt.Sprintf("the account %s at %s is %s", acc.URI, i.host(), oneLine(reg.Body.Status))
	case problem(queryErr) == nil:
		return err
	default:
		e.text = fmt.Sprintf("%s does not know the account %s any more: it has expired or was deactivated", i.host(), acc.URI)
	}
	e.Kind = Account
	return advice.With(e, "regctl makes no other account by itself: move %s away, then regctl cert issue registers a new one", acc.path)
}

// explain turns an error of lego's into an *Error.
func (i *Issuer) explain(ctx context.Context, err error, t *transport) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	name, inner := firstName(err)
	p := problem(inner)
	if p == nil {
		if text := inner.Error(); strings.Contains(text, "could not determine solvers") {
			return advice.With(&Error{Kind: Rejected, err: err, text: fmt.Sprintf("%s: %s does not offer %s", name, i.host(), i.challenge())},
				"choose another acme.challenge in regctl.yaml")
		} else if name != "" {
			return &Error{Kind: Solver, err: err, RetryAt: t.retry(), text: fmt.Sprintf("%s: %s", name, oneLine(text))}
		}
		if s := t.last(); s >= 400 {
			return &Error{Kind: kindOf("", s), Status: s, RetryAt: t.retry(), err: err, text: fmt.Sprintf("%s answered %d: %s", i.host(), s, oneLine(inner.Error()))}
		}
		return i.transportError(ctx, err)
	}
	short := strings.TrimPrefix(p.Type, problemPrefix)
	e := &Error{Kind: kindOf(short, p.HTTPStatus), Status: p.HTTPStatus, Type: oneLine(short), err: err}
	if name != "" && e.Kind == Refused { // said of a challenge
		e.Kind = Validation
	}
	if e.Kind == RateLimited || e.Kind == Unreachable {
		e.RetryAt = t.retry()
	}
	e.text = fmt.Sprintf("%s: %s (%s)", i.host(), oneLine(p.Detail), e.Type)
	if name != "" {
		e.text = name + ": " + e.text
	}
	return i.advise(e)
}

func (i *Issuer) challenge() string {
	if i.DNS != nil {
		return string(challenge.DNS01)
	}
	return string(challenge.HTTP01)
}

// firstName finds the name that an error of lego's is about, the first in order,
// and what went wrong with it. lego keeps one error for each name in a map whose
// type it does not export.
func firstName(err error) (name string, inner error) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		v := reflect.ValueOf(e)
		if v.Kind() != reflect.Map || v.Type().Key().Kind() != reflect.String {
			continue
		}
		for _, k := range v.MapKeys() {
			if cause, ok := v.MapIndex(k).Interface().(error); ok && (name == "" || k.String() < name) {
				name, inner = k.String(), cause
			}
		}
		return name, inner
	}
	return "", err
}
