package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/regctl/regctl/pkg/advice"
)

// CAReason says why the local CA cannot issue.
type CAReason string

// Why the local CA cannot issue. Out of none of these does regctl make another
// CA by itself: every client trusts the one that is there.
const (
	CADamaged     CAReason = "damaged"         // its certificate cannot be read as one of a CA
	CAKeyLost     CAReason = "key-lost"        // the key is not there
	CAKeyUnusable CAReason = "key-unusable"    // the key cannot be read, or belongs to another certificate
	CAOtherNames  CAReason = "other-names"     // its name constraints exclude a name of the deployment
	CAExpired     CAReason = "expired"         // its ten years are over
	CAFuture      CAReason = "not-yet-valid"   // made later than now: one of the clocks was wrong
	CARefused     CAReason = "refuses-to-sign" // what it signs does not verify, for another reason
)

// CAError says that the local CA cannot issue for a deployment.
// LocalCA.PlanNew is the way out of all but CAFuture.
type CAError struct {
	Reason CAReason
	Path   string // the file at fault
	Err    error  // the cause, or nil
	what   string
}

func (e *CAError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Path, e.what, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Path, e.what)
}

func (e *CAError) Unwrap() error { return e.Err }

// refusal tells why a certificate that the CA just signed does not verify.
func (l LocalCA) refusal(err error, h hosts) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.CANotAuthorizedForThisName {
		return l.replaceable(CAOtherNames, l.CertPath(), "the local CA may not sign for "+h.String(), nil)
	}
	return l.replaceable(CARefused, l.CertPath(), "what the local CA signs does not verify", err)
}

// replaceable is a CAError that another CA would end.
func (l LocalCA) replaceable(r CAReason, path, what string, err error) error {
	return advice.With(&CAError{r, path, err, what},
		"move %s and %s away, run regctl up, and give the new %s to every client", l.CertPath(), l.KeyPath(), filepath.Base(l.CertPath()))
}
