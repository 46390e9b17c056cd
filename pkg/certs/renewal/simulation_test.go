package renewal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/certs"
)

// world is a CA, a cron job and a clock.
type world struct {
	t      *testing.T
	now    time.Time
	state  State
	leaf   *certs.Leaf
	life   time.Duration
	down   func(time.Time) error // what the CA says
	window func(l certs.Leaf) (start, end time.Time)

	issues, attempts []time.Time
	uncovered        time.Duration // time without a valid certificate
}

// run is one `regctl cert renew`.
func (w *world) run() Decision {
	if w.leaf != nil && w.window != nil {
		if id := w.leaf.Serial; w.state.Asks(id, w.now) {
			if w.down == nil || w.down(w.now) == nil {
				start, end := w.window(*w.leaf)
				w.state.SetWindow(id, start, end, "", 6*time.Hour, w.now, rand.Float64())
			} else {
				w.state.NoWindow(id, "down", 0, w.now)
			}
		}
	}
	in := Input{Leaf: w.leaf, Wish: wish, State: w.state, Now: w.now, Gap: w.state.Gap(w.now)}
	if w.leaf != nil {
		in.CertID = w.leaf.Serial
	}
	d := Decide(in)
	w.state.LastRun = w.now
	if !d.Due {
		return d
	}
	w.attempts = append(w.attempts, w.now)
	w.state.Begin(w.now, server)
	if w.down != nil {
		if err := w.down(w.now); err != nil {
			w.state.Fail(w.now, "unreachable", err.Error(), time.Time{})
			return d
		}
	}
	w.issues = append(w.issues, w.now)
	w.leaf = &certs.Leaf{Names: wish.Names, KeyType: wish.KeyType, Fingerprint: fmt.Sprint(len(w.issues)), Serial: fmt.Sprint("s", len(w.issues)),
		NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(w.life - time.Hour)}
	w.state.Succeed(w.now, Issued{Fingerprint: w.leaf.Fingerprint, Names: wish.Names, Server: server, NotBefore: w.leaf.NotBefore, NotAfter: w.leaf.NotAfter}, true)
	return d
}

// live lets time pass, with a run every so often.
func (w *world) live(total, every time.Duration) {
	for end := w.now.Add(total); w.now.Before(end); w.now = w.now.Add(every) {
		w.run()
		if w.leaf == nil || w.now.Add(every).After(w.leaf.NotAfter) {
			w.uncovered += every
		}
	}
}

func TestYearsOfCron(t *testing.T) {
	for _, life := range []time.Duration{90 * days, 64 * days, 45 * days, 160 * time.Hour} {
		for _, every := range []time.Duration{time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * days} {
			for _, ari := range []bool{true, false} {
				w := &world{t: t, now: now, life: life}
				if ari {
					w.window = func(l certs.Leaf) (time.Time, time.Time) {
						mid := l.NotAfter.Add(-l.NotAfter.Sub(l.NotBefore) / 3)
						return mid.Add(-12 * time.Hour), mid.Add(12 * time.Hour)
					}
				}
				const years = 3 * 365 * days
				w.live(years, every)
				name := fmt.Sprintf("%s every %s, ARI %v", life, every, ari)
				if every < life/2 && w.uncovered > 0 {
					t.Errorf("%s: %s without a certificate", name, w.uncovered)
				}
				most := int(years/(life/2-2*time.Hour)) + 2 // they begin an hour before they are made
				if every > life/2 {
					most = int(years/every) + 2
				}
				if n := len(w.issues); n > most || n < int(years/max(life, every))-1 {
					t.Errorf("%s: %d certificates", name, n)
				}
				if len(w.attempts) != len(w.issues) {
					t.Errorf("%s: %d attempts for %d certificates", name, len(w.attempts), len(w.issues))
				}
			}
		}
	}
}

func TestCADownForAWeek(t *testing.T) {
	w := &world{t: t, now: now, life: 90 * days}
	w.run()
	begin := w.now.Add(60*days - 2*time.Hour) // just before it is due
	w.down = func(at time.Time) error {
		if !at.Before(begin) && at.Before(begin.Add(7*days)) {
			return errors.New("down")
		}
		return nil
	}
	w.live(80*days, 15*time.Minute)
	if len(w.issues) != 2 {
		t.Fatalf("issued at %v", w.issues)
	}
	if n := len(w.attempts) - 2; n < 7 || n > 10 {
		t.Errorf("%d attempts in the week: %v", n, w.attempts)
	}
	if late := w.issues[1].Sub(begin.Add(7 * days)); late > 25*time.Hour {
		t.Errorf("renewed %s after the CA was back", late)
	}
	if w.uncovered > 0 || w.state.Attempt != nil {
		t.Errorf("%s without a certificate; attempt %+v", w.uncovered, w.state.Attempt)
	}
}

// A daily job that fails some minutes late each day, since it waits before it asks
// the CA, tries daily all the same.
func TestDailyAttemptsOfADailyJob(t *testing.T) {
	s, attempts := State{}, 0
	for day := range 10 {
		at := now.Add(time.Duration(day) * 24 * time.Hour)
		if Decide(Input{Wish: wish, State: s, Now: at, Gap: 24 * time.Hour}).Due {
			attempts++
			s.Begin(at.Add(4*time.Minute), server)
			s.Fail(at.Add(5*time.Minute), "unreachable", "down", time.Time{})
		}
	}
	if attempts != 10 {
		t.Errorf("%d attempts in ten days", attempts)
	}
}

// A CA that says "now" for ever gets one order each tenth of a life, not one a run.
func TestAWindowThatIsAlwaysPast(t *testing.T) {
	w := &world{t: t, now: now, life: 90 * days}
	w.window = func(certs.Leaf) (time.Time, time.Time) { return now.Add(-48 * time.Hour), now.Add(-47 * time.Hour) }
	w.live(90*days, time.Hour)
	if n := len(w.issues); n > 11 {
		t.Errorf("%d certificates", n)
	}
}

// State that is lost at every run costs no certificate.
func TestAmnesia(t *testing.T) {
	w := &world{t: t, now: now, life: 90 * days}
	w.window = func(certs.Leaf) (time.Time, time.Time) { return now.Add(-48 * time.Hour), now.Add(-47 * time.Hour) }
	for range 24 * 60 {
		w.state = State{}
		w.run()
		w.now = w.now.Add(time.Hour)
	}
	if n := len(w.issues); n > 8 {
		t.Errorf("%d certificates in sixty days", n)
	}
}

// A CA that is asked for the first time has refused nothing yet.
func TestAttemptsAtTwoServers(t *testing.T) {
	var s State
	for n := range 4 {
		s.Begin(now.Add(time.Duration(n)*time.Minute), "https://other.example/dir")
	}
	s.Begin(now.Add(time.Hour), server)
	if s.Attempt.Count != 1 {
		t.Errorf("the first attempt counts as %d", s.Attempt.Count)
	}
}

// Killed in every attempt it still slows down.
func TestKilledInEveryAttempt(t *testing.T) {
	s := State{}
	attempts := 0
	for at := now; at.Before(now.Add(7 * days)); at = at.Add(time.Minute) {
		if Decide(Input{Wish: wish, State: s, Now: at, Gap: time.Hour}).Due {
			attempts++
			s.Begin(at, server)
		}
	}
	if attempts > 10 {
		t.Errorf("%d attempts", attempts)
	}
}
