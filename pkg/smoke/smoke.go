// Package smoke proves that a registry works for the people who use it: it goes
// through the front door as a client does (name, port, TLS, challenge, login),
// pushes an image and a two-platform index it makes up, pulls both back,
// compares every digest, deletes what it pushed and looks that it is gone.
//
// It is the library behind "regctl smoke". It prints nothing: each step is
// reported as a value, and a failed one carries a Cause for scripts, a sentence
// on what that usually means, and (through package advice) what to type next.
// All that is decided by types, status codes and the registry's own error
// codes, never by the text of an error.
//
// The password is only ever sent over TLS, to the one host named in the Target.
// The registry client library alone would not do: for localhost and private
// addresses it tries plain HTTP beside HTTPS and takes whichever answers
// (go-containerregistry pkg/v1/remote/transport/ping.go). See guard.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

// The names of the steps, in the order in which they run. StepCleanUp runs only
// after a failure, when something may have been left in the registry.
const (
	StepConnect   = "connect"
	StepTLS       = "tls"
	StepChallenge = "challenge"
	StepLogin     = "login"
	StepUpload    = "upload"
	StepPushImage = "push image"
	StepPushIndex = "push index"
	StepPullImage = "pull image"
	StepPullIndex = "pull index"
	StepDelete    = "delete"
	StepGone      = "gone"
	StepCleanUp   = "clean up"
)

// Step is one finished step.
type Step struct {
	Name     string        // one of the Step constants
	Duration time.Duration // how long it took
	Detail   string        // what was seen, for a person; may be empty
	Err      error         // nil when it passed; its hint is advice.Of(Err)
	Cause    Cause         // why it failed; empty when it passed
	Meaning  string        // what such a failure usually means; empty when it passed
}

// Result is what a run did. It is filled as far as the run came.
type Result struct {
	Steps       []Step
	Repository  string   // host/repository as a client writes it
	ImageTag    string   // unique to the run
	IndexTag    string   // unique to the run
	ImageDigest string   // sha256:…, empty until the image was made
	IndexDigest string   // sha256:…, empty until the image was made
	Bytes       int64    // of all blobs and manifests of image and index
	Leftovers   []string // what was pushed and could not be deleted: paths under /v2/
}

// Run makes one run against t and calls report, unless it is nil, after each
// step. It stops at the first step that fails, but always tries to delete what
// it pushed, even when ctx has ended (for at most Target.Timeout then).
//
// The error is nil when every step passed. It wraps the failed step's error and
// that of a failed clean-up; ErrTarget means that t itself is at fault and no
// step was run. A cancelled ctx gives an error that is context.Canceled.
func Run(ctx context.Context, t Target, report func(Step)) (Result, error) {
	t, err := t.complete()
	if err != nil {
		return Result{}, err
	}
	r, err := newRun(t, report)
	if err != nil {
		return Result{}, err
	}
	defer r.close()

	err = r.all(ctx)
	if err != nil && r.dirty() && !r.refused() {
		if cleanErr := r.step(context.WithoutCancel(ctx), StepCleanUp, t.Timeout, r.cleanUp); cleanErr != nil {
			err = fmt.Errorf("%w; %w", err, cleanErr)
		}
	}
	r.result.Leftovers = r.left()
	return r.result, err
}

// all runs the steps in order up to the first failure.
func (r *run) all(ctx context.Context) error {
	short, long := r.target.Timeout, r.target.dataTimeout()
	for _, s := range []struct {
		name  string
		limit time.Duration
		do    func(context.Context) (string, error)
	}{
		{StepConnect, short, r.connect},
		{StepTLS, short, r.handshake},
		{StepChallenge, short, r.challenge},
		{StepLogin, short, r.login},
		{StepUpload, short, r.upload},
		{StepPushImage, long, r.pushImage},
		{StepPushIndex, short, r.pushIndex},
		{StepPullImage, long, r.pullImage},
		{StepPullIndex, short, r.pullIndex},
		{StepDelete, short, r.delete},
		{StepGone, short, r.gone},
	} {
		if err := r.step(ctx, s.name, s.limit, s.do); err != nil {
			return err
		}
	}
	return nil
}

// step runs do within limit, records and reports how it went.
func (r *run) step(ctx context.Context, name string, limit time.Duration, do func(context.Context) (string, error)) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := Step{Name: name}
	start := time.Now()
	s.Detail, s.Err = do(bounded)
	s.Duration = time.Since(start)

	if s.Err != nil {
		s.Err = tidy(s.Err)
		// Which of several errors surfaces when a context ends depends on what
		// was under way (a read, a dial, a closed connection).
		if end := bounded.Err(); end != nil && !errors.Is(s.Err, end) {
			s.Err = fmt.Errorf("%w: %w", end, s.Err)
		}
		s.Cause = classify(name, s.Err)
		meaning, hint := explain(name, s.Cause, r.target)
		s.Meaning = meaning
		if hint != "" {
			s.Err = advice.With(s.Err, "%s", hint)
		}
	}
	r.result.Steps = append(r.result.Steps, s)
	if r.report != nil {
		r.report(s)
	}
	if s.Err != nil {
		return fmt.Errorf("%s: %w", name, s.Err)
	}
	return nil
}
