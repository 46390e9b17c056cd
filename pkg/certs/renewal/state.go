package renewal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// version is the format of the state file.
const version = 1

// State is what is remembered between runs. The zero State knows nothing.
type State struct {
	Version int       `json:"version"`
	Issued  *Issued   `json:"issued,omitempty"`  // the last certificate that was obtained
	Window  *Window   `json:"window,omitempty"`  // when the CA wants the next
	Attempt *Attempt  `json:"attempt,omitempty"` // the last one, unless it succeeded
	Orders  []Order   `json:"orders,omitempty"`  // that succeeded within a week
	Fails   []Fail    `json:"fails,omitempty"`   // within an hour
	LastRun time.Time `json:"last_run,omitzero"` // of cert renew
}

// Issued is a certificate that was obtained.
type Issued struct {
	At          time.Time `json:"at"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, hexadecimal
	Names       []string  `json:"names"`       // that were asked for
	Profile     string    `json:"profile"`
	Server      string    `json:"server"` // directory URL
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// Window is when a CA wants a certificate to be renewed, by ARI.
type Window struct {
	CertID      string    `json:"cert_id"` // of the certificate that it is about
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Explanation string    `json:"explanation,omitempty"` // URL
	Draw        time.Time `json:"draw,omitzero"`         // the instant in it that was drawn, once
	Asked       time.Time `json:"asked"`
	AskAgain    time.Time `json:"ask_again"`
	Error       string    `json:"error,omitempty"` // of the last question; Start and Draw are then those before
}

// known says whether there is a window.
func (w *Window) known() bool { return w != nil && !w.Draw.IsZero() }

// Attempt is one that failed, or that was begun and never ended: then a kill came
// between.
type Attempt struct {
	At     time.Time `json:"at"`
	Count  int       `json:"count"` // in a row at that server, this one included
	Kind   string    `json:"kind"`  // acme.Kind, or interrupted
	Error  string    `json:"error"`
	Next   time.Time `json:"next"`             // not before
	Obeyed bool      `json:"obeyed,omitempty"` // Next is the CA's word
	Server string    `json:"server"`           // directory URL
}

// Kinds of attempts; the others are acme.Kind's.
const (
	Interrupted = "interrupted" // begun and never ended
	Validation  = "validation"  // counts against the CA's limit
)

// Order is an order that succeeded.
type Order struct {
	At       time.Time `json:"at"`
	Names    []string  `json:"names"`
	Server   string    `json:"server"`
	Replaces bool      `json:"replaces,omitempty"` // exempt from rate limits
}

// Fail is an attempt in which the CA could not see that a name is ours.
type Fail struct {
	At     time.Time `json:"at"`
	Server string    `json:"server"`
}

// maxState bounds the state file in bytes.
const maxState = 1 << 20

// ErrDamaged says that a state file cannot be understood.
var ErrDamaged = errors.New("damaged")

// Load reads the state file; a missing one is the zero State. One that is damaged
// is ErrDamaged (wrapped), with the zero State to begin anew from.
func Load(path string) (State, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Version: version}, nil
	}
	if err != nil {
		return State{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return State{}, err
	}
	fresh := State{Version: version}
	if !fi.Mode().IsRegular() || fi.Size() > maxState {
		return fresh, fmt.Errorf("%s is %w: not a file of its size", path, ErrDamaged)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	var s State
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return fresh, fmt.Errorf("%s is %w: %w", path, ErrDamaged, err)
	}
	if s.Version != version || dec.More() {
		return fresh, fmt.Errorf("%s is %w: not of the format %d", path, ErrDamaged, version)
	}
	return s, nil
}

// Save writes the state file; only its owner may read it. A damaged one that is
// in its place is kept beside it.
func (s State) Save(path string) error {
	if _, err := Load(path); errors.Is(err, ErrDamaged) {
		if err := durable.Rename(path, path+".damaged"); err != nil {
			return err
		}
	}
	s.Version = version
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}

// future is how far ahead of now something that was noted may lie. Beyond it the
// clock has been set back since, and the note is worth nothing.
const future = 5 * time.Minute

func ahead(t, now time.Time) bool { return t.After(now.Add(future)) }

// backoff is how long after the n-th failure in a row the next attempt comes. A
// little less than a day: a daily job that has failed some minutes after it began
// would else come too early the day after.
func backoff(n int) time.Duration {
	steps := []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute}
	if n <= len(steps) {
		return steps[max(n, 1)-1]
	}
	return 24*time.Hour - 15*time.Minute
}

// Begin notes that an attempt is about to be made. It is saved before the CA is
// asked anything, so that being killed over and over is slow as well.
func (s *State) Begin(now time.Time, server string) {
	n := 1
	if s.Attempt != nil && s.Attempt.Server == server && !ahead(s.Attempt.At, now) {
		n = s.Attempt.Count + 1
	}
	s.Attempt = &Attempt{At: now, Count: n, Kind: Interrupted, Error: "it was interrupted", Next: now.Add(backoff(n)), Server: server}
}

// Fail notes how the attempt that was begun has failed. retryAt is when the CA
// wants to be asked again, zero when it did not say.
func (s *State) Fail(now time.Time, kind, text string, retryAt time.Time) {
	if s.Attempt == nil {
		s.Attempt = &Attempt{Count: 1}
	}
	a := s.Attempt
	a.At, a.Kind, a.Error, a.Next, a.Obeyed = now, kind, text, now.Add(backoff(a.Count)), false
	if retryAt.After(a.Next) {
		a.Next, a.Obeyed = retryAt, true
	}
	s.Fails = recent(s.Fails, now)
	if kind == Validation {
		s.Fails = append(s.Fails, Fail{now, a.Server})
	}
}

// Succeed notes a certificate that was obtained; what was known of the one before
// is dropped. (A window that stayed has made another client issue five
// certificates in ten seconds, cert-manager#8993.)
func (s *State) Succeed(now time.Time, i Issued, replaces bool) {
	i.At = now
	s.Issued, s.Window, s.Attempt = &i, nil, nil
	s.Fails = slices.DeleteFunc(s.Fails, func(f Fail) bool { return f.Server == i.Server })
	s.Orders = append(slices.DeleteFunc(s.Orders, func(o Order) bool { return now.Sub(o.At) > week }),
		Order{now, i.Names, i.Server, replaces})
	if n := len(s.Orders); n > mostOrders {
		s.Orders = s.Orders[n-mostOrders:]
	}
}

// mostOrders bounds the state. CAs allow five a week.
const mostOrders = 50

const week = 7 * 24 * time.Hour

func recent(all []Fail, now time.Time) []Fail {
	return slices.DeleteFunc(all, func(f Fail) bool { return now.Sub(f.At) > time.Hour || ahead(f.At, now) })
}

// Gap is the time between two runs of cert renew, as the last two were; a day
// when that is not known.
func (s State) Gap(now time.Time) time.Duration {
	if s.LastRun.IsZero() || !s.LastRun.Before(now) {
		return 24 * time.Hour
	}
	return min(max(now.Sub(s.LastRun), time.Hour), week)
}
