package certs

import (
	"crypto"
	"errors"
	"io/fs"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// errNoCA says that there is no ca.pem.
var errNoCA = errors.New("no local CA yet")

// load reads the CA and checks that it can sign at the instant now.
func (l LocalCA) load(now time.Time) (*authority, error) {
	data, err := readFile(l.CertPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNoCA
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case err != nil:
		return nil, l.replaceable(CADamaged, l.CertPath(), "not a certificate", err)
	}
	chain, faults := readChain(blocksOf(data), data)
	switch {
	case len(faults) > 0:
		return nil, l.replaceable(CADamaged, l.CertPath(), "not a certificate", invalid(faults))
	case !chain[0].IsCA:
		return nil, l.replaceable(CADamaged, l.CertPath(), "not the certificate of a CA", nil)
	}
	ca := &authority{cert: chain[0]}
	switch {
	case now.After(ca.cert.NotAfter):
		return nil, l.replaceable(CAExpired, l.CertPath(), "the local CA expired on "+day(ca.cert.NotAfter), nil)
	case now.Before(ca.cert.NotBefore):
		return nil, advice.With(&CAError{CAFuture, l.CertPath(), nil, "the local CA is not valid before " + ca.cert.NotBefore.UTC().Format(time.RFC3339)},
			"compare the clock of this machine")
	}
	if ca.key, err = l.loadKey(); err != nil {
		return nil, l.keyError(err)
	}
	if leafFor(material{chain: chain[:1], key: ca.key}) < 0 {
		return nil, l.keyError(errors.New("it belongs to another certificate"))
	}
	return ca, nil
}

func (l LocalCA) loadKey() (crypto.Signer, error) {
	data, err := readFile(l.KeyPath())
	if err != nil {
		return nil, err
	}
	key, _, faults := readKey(blocksOf(data), data)
	return key, invalid(faults)
}

// keyError keeps a key that is lost from leading to a new CA in silence: the
// clients trust the old one, and would all fail at once.
func (l LocalCA) keyError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e := &CAError{CAKeyLost, l.KeyPath(), nil, "the key of the local CA is gone"}
		return advice.With(e, "put it back from a backup; without one, move %s away, run regctl up, and give the new one to every client", l.CertPath())
	case errors.Is(err, fs.ErrPermission):
		return advice.With(&CAError{CAKeyUnusable, l.KeyPath(), err, "the key of the local CA cannot be read"},
			"run regctl as the user who owns it")
	}
	return l.replaceable(CAKeyUnusable, l.KeyPath(), "the key of the local CA cannot be used", err)
}
