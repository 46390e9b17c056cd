package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/backup"
	"github.com/regctl/regctl/pkg/certs/acme"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/config"
	"github.com/regctl/regctl/pkg/engine"
	"github.com/regctl/regctl/pkg/lock"
	"github.com/regctl/regctl/pkg/schedule"
	"github.com/regctl/regctl/pkg/users"
)

// Exit statuses, as docs/cli and every command's help tell them.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2
	statusProblems    = 3
	statusConfig      = 4
	statusOutside     = 5
	statusLocked      = 6
	statusInterrupted = 130
)

const statusHelp = `Exit status:
  0    done
  1    failed; nothing half done
  2    usage: unknown flag, bad argument
  3    done, with problems that need a person
  4    configuration invalid
  5    something outside is missing or refused: Docker Engine, Compose, an image
  6    another regctl is at work on this deployment
  130  interrupted; what was begun was undone or can be resumed
`

// usageError is a command line that cannot be meant.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// modeError says that what was asked for does not go with tls.mode.
type modeError struct{ text string }

func (e *modeError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

var (
	// errProblems ends a command that did its work and printed it, but met
	// something that needs a person. Nothing more is printed.
	errProblems = errors.New("problems that need a person")
	// errOutsideShown ends a command that printed what it could although something
	// outside is missing.
	errOutsideShown = errors.New("something outside is missing")
)

// status is the one table from an error to an exit status.
func status(ctx context.Context, err error) int {
	var (
		usage   *usageError
		invalid *config.Invalid
		rights  *users.RightsError
		held    *lock.HeldError
		busy    *backup.BusyError
		inside  *insideError
		mode    *modeError
		ca      *acme.Error
	)
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return statusInterrupted
	case errors.Is(err, errProblems):
		return statusProblems
	case errors.As(err, &inside):
		return inside.Status
	case errors.As(err, &usage), errors.Is(err, backup.ErrTarget):
		return statusUsage
	case errors.As(err, &invalid), errors.As(err, &rights), errors.As(err, &mode), errors.Is(err, errNoDeployment), errors.Is(err, errContradicts):
		return statusConfig
	case errors.As(err, &held), errors.As(err, &busy), errors.Is(err, compose.ErrBusy):
		return statusLocked
	case errors.As(err, &ca):
		if ca.Kind == acme.Terms {
			return statusConfig
		}
		return statusOutside
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, backup.ErrAccess), errors.Is(err, backup.ErrUnreachable), errors.Is(err, engine.ErrImage),
		errors.Is(err, compose.ErrNoCompose), errors.Is(err, schedule.ErrUnavailable), errors.Is(err, errOutsideShown), errors.Is(err, errPort):
		return statusOutside
	}
	return statusFailed
}

// detailed is an error that has more to show than its one line.
type detailed interface{ Detail() string }

// report prints an error and its hint and returns the exit status.
func (a *App) report(ctx context.Context, err error) int {
	code := status(ctx, err)
	switch {
	case err == nil, errors.Is(err, errProblems), errors.Is(err, errOutsideShown):
		return code
	case code == statusInterrupted:
		fmt.Fprintln(a.Err, "regctl: interrupted")
	case invalidFile(err) != nil:
		printFaults(a.Err, invalidFile(err))
	default:
		// One line, whatever a library put into it.
		fmt.Fprintln(a.Err, "regctl: "+strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	}
	var more detailed
	if errors.As(err, &more) {
		for line := range strings.Lines(more.Detail()) {
			fmt.Fprintln(a.Err, "  "+strings.TrimRight(line, "\n"))
		}
	}
	if hint := advice.Of(err); hint != "" {
		fmt.Fprintln(a.Err, "hint: "+hint)
	} else if code == statusUsage {
		fmt.Fprintln(a.Err, "hint: regctl --help, regctl COMMAND --help")
	}
	return code
}

// invalidFile returns the faults of a configuration file, nil for other errors;
// those of flags have a form of their own.
func invalidFile(err error) *config.Invalid {
	var invalid *config.Invalid
	var flags *flagFaults
	if errors.As(err, &flags) || !errors.As(err, &invalid) || len(invalid.Faults) < 2 {
		return nil
	}
	return invalid
}

// mostFaults is how many faults are printed: a file that is something else
// entirely has thousands.
const mostFaults = 50

func printFaults(w io.Writer, e *config.Invalid) {
	fmt.Fprintf(w, "regctl: %s has %d faults\n", e.File, len(e.Faults))
	for i, f := range e.Faults {
		if i == mostFaults {
			fmt.Fprintf(w, "  … and %d more\n", len(e.Faults)-i)
			break
		}
		fmt.Fprintf(w, "  %s\n", f)
	}
}
