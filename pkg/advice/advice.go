// Package advice attaches to an error the next step a person can take.
//
// Libraries below the command line know best what would help (start the
// daemon, choose another port); only the command line prints. An advised error
// carries the hint beside its text, so the text stays one line and can be
// wrapped like any other.
package advice

import (
	"errors"
	"fmt"
)

type advised struct {
	err  error
	hint string
}

func (a *advised) Error() string { return a.err.Error() }
func (a *advised) Unwrap() error { return a.err }

// With returns err carrying a hint: a command to type, or what to do, in lower
// case and without a final period. It returns nil when err is nil.
func With(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &advised{err: err, hint: fmt.Sprintf(format, args...)}
}

// Of returns the hint nearest to the surface of err, or "" when there is none.
func Of(err error) string {
	var a *advised
	if errors.As(err, &a) {
		return a.hint
	}
	return ""
}
