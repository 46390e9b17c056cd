package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// due says why a new certificate is needed, "" when the live one will do.
func (l LocalCA) due(ca *authority, name string, h hosts, now time.Time) (string, error) {
	pair, _, err := l.Store.Live(name)
	var damaged *InvalidError
	switch {
	case errors.Is(err, ErrNone):
		return "there was no certificate", nil
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &damaged):
		return "the certificate was damaged", nil
	case err != nil:
		return "", err
	}
	m, _ := pair.examine()
	leaf := m.leaf()
	left, life := leaf.NotAfter.Sub(now), leaf.NotAfter.Sub(leaf.NotBefore)
	switch {
	case !signedBy(leaf, ca.cert):
		return "another CA had signed the certificate", nil
	case !h.equal(leaf):
		return "the names have changed", nil
	case now.Before(leaf.NotBefore):
		return "the certificate was not yet valid", nil
	case left < 0:
		return "the certificate had expired", nil
	case left*3 < life && ca.leafEnd(now).After(leaf.NotAfter): // else the CA is about to end, and a new one would gain nothing
		return fmt.Sprintf("the certificate was to end in %d days", leafOf(leaf).DaysLeft(now)), nil
	}
	if err := ca.verify(leaf, now); err != nil {
		return "the certificate did not verify", nil
	}
	return "", nil
}

// warnings is what a person should know about a CA that works.
func (l LocalCA) warnings(ca *authority, now time.Time) (all []string) {
	if ca.cert.NotAfter.Sub(now) < leafLife {
		all = append(all, fmt.Sprintf("the local CA ends on %s and every certificate of its with it: replace it before, and give the new %s to every client",
			day(ca.cert.NotAfter), l.CertPath()))
	}
	if fi, err := os.Stat(l.KeyPath()); err == nil && fi.Mode().Perm()&0o077 != 0 {
		all = append(all, fmt.Sprintf("%s can be read by others (mode %04o): chmod 600 it", l.KeyPath(), fi.Mode().Perm()))
	}
	return all
}
