package renewal

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/certs"
)

// Reason is why a certificate is due, in a word that stays the same.
type Reason string

// Why a certificate is due. None: it is not.
const (
	None     Reason = ""
	Forced   Reason = "forced"
	Missing  Reason = "missing"     // there is none, or a damaged one
	Stopgap  Reason = "stopgap"     // the bootstrap pair, or the local CA's, is in use
	Names    Reason = "names"       // it is for other names
	Changed  Reason = "changed"     // key type, profile or CA are to be others
	Expiring Reason = "expiring"    // its end is near, or past
	Wanted   Reason = "ari"         // the CA wants it so
	Future   Reason = "not-started" // it is not valid yet, so the clock is wrong: not due
)

// Wish is the certificate as it should be.
type Wish struct {
	Names   []string
	KeyType string // as certs.Leaf.KeyType
	Profile string
	Server  string // directory URL
	Limits  bool   // the CA's limits are those of Let's Encrypt
}

// Input is everything that a decision goes by.
type Input struct {
	Leaf     *certs.Leaf   // the one to be served; nil: there is none
	CertID   string        // its ARI identifier, "" when it has none
	Stopgap  bool          // it only fills in for one that was never obtained
	Wish     Wish          //
	State    State         //
	Now      time.Time     //
	Gap      time.Duration // until the next run, as far as is known
	Force    bool          // a person asked for it
	Attended bool          // a person is there: need not wait for the next attempt after a failure
}

// Decision is what to do about a certificate.
type Decision struct {
	Due    bool
	Reason Reason    // also when Held
	Why    string    // the reason, for a person
	Held   string    // why it is not due now although there is a reason; "" otherwise
	Limit  bool      // what holds it is a limit of the CA's or one kept to stay below it
	Next   time.Time // when it will be, if nothing changes; zero: unknown
}

// Decide says whether a certificate is to be obtained now, why, and else when.
func Decide(in Input) Decision {
	d := want(in)
	if d.Reason == None || d.Reason == Future {
		return d
	}
	if until, why, limit := hold(in); why != "" {
		d.Held, d.Limit, d.Next = why, limit, until
		return d
	}
	d.Due, d.Next = true, in.Now
	return d
}

// want finds the reason for a new certificate, whatever may speak against it.
func want(in Input) Decision {
	l, now := in.Leaf, in.Now
	switch {
	case in.Force:
		return Decision{Reason: Forced, Why: "it was asked for"}
	case l == nil:
		return Decision{Reason: Missing, Why: "there is no certificate"}
	case in.Stopgap:
		return Decision{Reason: Stopgap, Why: "a stopgap is in use until one is issued"}
	}
	if missing := uncovered(*l, in.Wish.Names); len(missing) > 0 {
		return Decision{Reason: Names, Why: "it is not for " + strings.Join(missing, ", ")}
	}
	if i := in.State.Issued; i != nil && i.Fingerprint == l.Fingerprint {
		switch {
		case !sameNames(i.Names, in.Wish.Names):
			return Decision{Reason: Names, Why: "it is for other names"}
		case i.Server != in.Wish.Server:
			return Decision{Reason: Changed, Why: "another CA is to issue it"}
		case i.Profile != in.Wish.Profile:
			return Decision{Reason: Changed, Why: "another profile is asked for"}
		case l.KeyType != in.Wish.KeyType:
			return Decision{Reason: Changed, Why: fmt.Sprintf("its key is %s and is to be %s", l.KeyType, in.Wish.KeyType)}
		}
	}
	at := Fallback(*l)
	switch {
	case now.After(l.NotAfter):
		return Decision{Reason: Expiring, Why: "it expired on " + day(l.NotAfter)}
	case l.NotBefore.Sub(now) > future:
		return Decision{Reason: Future, Next: l.NotBefore,
			Why: fmt.Sprintf("it is not valid before %s: this machine's clock (%s) is wrong", stamp(l.NotBefore), stamp(now))}
	case !now.Before(at):
		return Decision{Reason: Expiring, Why: "it ends on " + day(l.NotAfter)}
	case !l.NotAfter.After(now.Add(in.Gap)):
		return Decision{Reason: Expiring, Why: "it ends before the next run"}
	}
	next := at
	if w := in.State.Window; w.known() && in.CertID != "" && w.CertID == in.CertID {
		// What is drawn before the next run is done now rather than late.
		if !w.Draw.After(now.Add(in.Gap)) {
			return Decision{Reason: Wanted, Why: fmt.Sprintf("the CA wants it renewed between %s and %s", day(w.Start), day(w.End))}
		}
		if w.Draw.Before(next) {
			next = w.Draw
		}
	}
	return Decision{Next: next, Why: "it is good until " + day(l.NotAfter)}
}

// Fallback is when a certificate is renewed at the latest, whatever the CA says:
// with a third of its life left, half when that is ten days or less.
func Fallback(l certs.Leaf) time.Time {
	life := l.NotAfter.Sub(l.NotBefore)
	if life <= 10*24*time.Hour {
		return l.NotAfter.Add(-life / 2)
	}
	return l.NotAfter.Add(-life / 3)
}

// mostFails is how many attempts may fail within an hour. Let's Encrypt allows
// five for each name.
const mostFails = 4

// mostAWeek is how many certificates for one set of names may be issued in a week
// (Let's Encrypt). One that says what it replaces does not count.
const mostAWeek = 5

// hold finds what speaks against asking the CA now.
func hold(in Input) (until time.Time, why string, limit bool) {
	now := in.Now
	// What one CA has refused says nothing about another.
	if a := in.State.Attempt; a != nil && a.Server == in.Wish.Server && !ahead(a.At, now) && now.Before(a.Next) {
		switch {
		case a.Obeyed:
			return a.Next, fmt.Sprintf("the CA does not want to be asked before %s: %s", stamp(a.Next), a.Error), true
		case !in.Force && !in.Attended:
			return a.Next, fmt.Sprintf("attempt %d failed, the next one comes after %s: %s", a.Count, stamp(a.Next), a.Error), false
		}
	}
	if in.Wish.Limits {
		if until, why = hourly(in); why != "" {
			return until, why, true
		}
	}
	if !in.Force {
		if until, why = tenth(in); why != "" {
			return until, why, true
		}
	}
	if in.Wish.Limits {
		until, why = weekly(in)
	}
	return until, why, why != ""
}

// hourly refuses even what is asked for when too many attempts have failed.
func hourly(in Input) (until time.Time, why string) {
	var fails []time.Time
	for _, f := range in.State.Fails {
		if f.Server == in.Wish.Server && in.Now.Sub(f.At) < time.Hour && !ahead(f.At, in.Now) {
			fails = append(fails, f.At)
		}
	}
	if len(fails) < mostFails {
		return until, ""
	}
	return fails[len(fails)-mostFails].Add(time.Hour), fmt.Sprintf("%d attempts failed within an hour, and the CA takes no more than five", len(fails))
}

// tenth refuses a second certificate within a tenth of the first one's life.
// Whatever goes wrong with dates, windows or state then costs two certificates
// and not a rate limit.
func tenth(in Input) (until time.Time, why string) {
	var begin time.Time
	life := 90 * 24 * time.Hour
	switch i := in.State.Issued; {
	case i != nil && (i.Server != in.Wish.Server || !sameNames(i.Names, in.Wish.Names)):
		return until, "" // counted apart by the CA
	case i != nil:
		begin, life = i.At, i.NotAfter.Sub(i.NotBefore)
		if ahead(begin, in.Now) { // noted by a clock that was ahead
			begin = i.NotBefore
		}
	case in.Leaf != nil && !in.Stopgap && len(uncovered(*in.Leaf, in.Wish.Names)) == 0:
		begin, life = in.Leaf.NotBefore, in.Leaf.NotAfter.Sub(in.Leaf.NotBefore)
	default:
		return until, ""
	}
	until = begin.Add(life / 10)
	if !in.Now.Before(until) || ahead(begin, in.Now) {
		return until, ""
	}
	return until, fmt.Sprintf("one for the same names was issued at %s, and the CA allows only some a week: not before %s without --force", stamp(begin), stamp(until))
}

// weekly refuses even what is asked for when the CA would.
func weekly(in Input) (until time.Time, why string) {
	var at []time.Time
	for _, o := range in.State.Orders {
		if !o.Replaces && o.Server == in.Wish.Server && sameNames(o.Names, in.Wish.Names) && in.Now.Sub(o.At) < week && !ahead(o.At, in.Now) {
			at = append(at, o.At)
		}
	}
	if len(at) < mostAWeek {
		return until, ""
	}
	until = at[len(at)-mostAWeek].Add(week)
	return until, fmt.Sprintf("%d for the same names were issued within a week, and the CA takes no more before %s", len(at), stamp(until))
}

// uncovered lists the names that clients would be refused for.
func uncovered(l certs.Leaf, names []string) (missing []string) {
	for _, n := range names {
		if !covers(l, n) {
			missing = append(missing, n)
		}
	}
	return missing
}

// covers matches as clients do: a wildcard stands for one label.
func covers(l certs.Leaf, name string) bool {
	if slices.Contains(l.Names, name) {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	_, rest, ok := strings.Cut(name, ".")
	return ok && slices.Contains(l.Names, "*."+rest)
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

func day(t time.Time) string   { return t.UTC().Format(time.DateOnly) }
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }
