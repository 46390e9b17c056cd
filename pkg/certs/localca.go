package certs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// LocalCA is the CA of a deployment that no public CA can vouch for: one on
// localhost, an IP address or a private name. Its certificate is ca.pem in the
// store's directory, its key ca-key.pem in PrivateDir, which is not mounted
// anywhere. Callers that change it hold the deployment's lock.
type LocalCA struct {
	Store      Store
	PrivateDir string
}

// CertPath is the file to hand to clients.
func (l LocalCA) CertPath() string { return filepath.Join(l.Store.Dir, "ca.pem") }

// KeyPath is the file that nobody else may ever have.
func (l LocalCA) KeyPath() string { return filepath.Join(l.PrivateDir, "ca-key.pem") }

// Ensure makes sure that a good certificate for names is live, the first of
// them naming it in the store, and returns what it had to do. It makes the CA
// when there is none, and a certificate when there is none, when the names
// changed, when less than a third of its life is left or when another CA signed
// it. Its error is a *CAError (wrapped) when the CA cannot do it.
func (l LocalCA) Ensure(names []string, now time.Time) (*Plan, error) {
	p, err := l.Plan(names, now)
	if err != nil {
		return nil, err
	}
	return p, l.Apply(p)
}

// Plan finds out what Ensure would do and changes nothing.
func (l LocalCA) Plan(names []string, now time.Time) (*Plan, error) {
	h, err := parseHosts(names)
	if err != nil {
		return nil, err
	}
	p := &Plan{Name: names[0], Names: h.String()}
	ca, err := l.load(now)
	switch {
	case errors.Is(err, errNoCA):
		return l.planCA(p, h, now)
	case err != nil:
		return nil, err
	}
	p.Warnings = l.warnings(ca, now)
	if p.Why, err = l.due(ca, names[0], h, now); err != nil || p.Why == "" {
		return p, err
	}
	return p, l.planLeaf(p, ca, h, now)
}

// PlanNew plans another CA in the place of the one that is there, and a
// certificate by it. Every client then needs the new ca.pem; the old one is
// kept as ca.pem.old.
func (l LocalCA) PlanNew(names []string, now time.Time) (*Plan, error) {
	h, err := parseHosts(names)
	if err != nil {
		return nil, err
	}
	p := &Plan{Name: names[0], Names: h.String()}
	ca, err := newAuthority(h, nil, now)
	if err != nil {
		return nil, err
	}
	p.CreateCA, p.ca, p.writeKey, p.Why = true, ca, true, "a new CA was asked for"
	return p, l.planLeaf(p, ca, h, now)
}

// planCA plans the first CA. A key that is there without its certificate is
// used: either a run was killed between the two, or ca.pem was lost, and then
// clients who have it go on trusting what the same key signs.
func (l LocalCA) planCA(p *Plan, h hosts, now time.Time) (*Plan, error) {
	key, err := l.loadKey()
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrPermission):
		return nil, l.keyError(err)
	default:
		return nil, advice.With(&CAError{CAKeyUnusable, l.KeyPath(), err, "not the key of a CA"},
			"move it away, then run regctl up")
	}
	ca, err := newAuthority(h, key, now)
	if err != nil {
		return nil, err
	}
	p.CreateCA, p.ca, p.writeKey, p.Why = true, ca, key == nil, "there was no local CA"
	return p, l.planLeaf(p, ca, h, now)
}

func (l LocalCA) planLeaf(p *Plan, ca *authority, h hosts, now time.Time) error {
	pair, err := ca.issue(h, now)
	if err != nil {
		return err
	}
	m, report := pair.examine()
	if err := report.Err(); err != nil {
		return err
	}
	if err := ca.verify(m.leaf(), now); err != nil {
		return l.refusal(err, h)
	}
	p.IssueLeaf, p.leaf = true, pair
	return nil
}

// Apply does what a plan says. Killed at any instant it leaves what the next
// Ensure completes.
func (l LocalCA) Apply(p *Plan) error {
	if p.CreateCA {
		if err := l.write(p); err != nil {
			return err
		}
	}
	if !p.IssueLeaf {
		return nil
	}
	_, err := l.Store.Install(p.Name, p.leaf)
	return err
}

// write stores a new CA. An old certificate goes first and the new one comes
// last, so ca.pem never lies beside a key that is not its own: that would look
// like a lost key for ever, and a missing ca.pem is simply made. The old one
// stays as ca.pem.old, by which it can be found and removed on clients.
func (l LocalCA) write(p *Plan) error {
	key, err := encodeKey(p.ca.key)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(l.Store.Dir, 0o755); err != nil {
		return err
	}
	if p.writeKey {
		old := l.CertPath() + ".old"
		err := durable.Rename(l.CertPath(), old)
		aside := err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := l.writeKey(key); err != nil {
			if aside {
				err = errors.Join(err, durable.Rename(old, l.CertPath()))
			}
			return err
		}
	}
	return durable.WriteFile(l.CertPath(), encodeCertificate(p.ca.cert.Raw), 0o644)
}

func (l LocalCA) writeKey(key []byte) error {
	if err := durable.MkdirAll(l.PrivateDir, 0o700); err != nil {
		return err
	}
	return durable.WriteFile(l.KeyPath(), key, 0o600)
}
