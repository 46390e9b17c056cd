package renewal

import (
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/certs"
)

// now is the instant of every test that does not move it.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	server = "https://ca.example/dir"
	id     = "aki.serial"
	days   = 24 * time.Hour
)

var wish = Wish{Names: []string{"reg.example.com"}, KeyType: "EC P-256", Server: server}

// leaf is a certificate of that life of which so much is over.
func leaf(life, over time.Duration) *certs.Leaf {
	return &certs.Leaf{Names: []string{"reg.example.com"}, KeyType: "EC P-256", Fingerprint: "f1",
		NotBefore: now.Add(-over), NotAfter: now.Add(life - over)}
}

// issued is a state that knows l as its own.
func issued(l *certs.Leaf) State {
	return State{Issued: &Issued{At: l.NotBefore, Fingerprint: l.Fingerprint, Names: wish.Names, Server: server, NotBefore: l.NotBefore, NotAfter: l.NotAfter}}
}

func windowed(s State, start, end time.Time, draw float64) State {
	s.SetWindow(id, start, end, "", time.Hour, now.Add(-time.Minute), draw)
	return s
}

func TestDecide(t *testing.T) {
	young, old := leaf(90*days, 20*days), leaf(90*days, 61*days)
	type change func(*Input)
	tests := []struct {
		name   string
		leaf   *certs.Leaf
		change change
		due    bool
		reason Reason
		next   time.Time // zero: not looked at
		why    string    // a part of Why or Held
	}{
		{"young", young, nil, false, None, now.Add(40 * days), "good until 2027-02-02"},
		{"none", nil, nil, true, Missing, now, "there is no certificate"},
		{"stopgap", young, func(in *Input) { in.Stopgap, in.State = true, State{} }, true, Stopgap, now, ""},
		{"forced", young, func(in *Input) { in.Force = true }, true, Forced, now, ""},
		{"a third left", leaf(90*days, 60*days), nil, true, Expiring, now, "ends on"},
		{"a second before a third is left, the next run in an hour", leaf(90*days, 60*days-time.Second), func(in *Input) { in.Gap = time.Hour }, false, None, now.Add(time.Second), ""},
		{"expired", leaf(90*days, 91*days), nil, true, Expiring, now, "expired on 2026-11-23"},
		{"ten days, half left", leaf(10*days, 5*days), func(in *Input) { in.Gap = time.Hour }, true, Expiring, now, ""},
		{"ten days, more than half left", leaf(10*days, 5*days-time.Minute), func(in *Input) { in.Gap = time.Hour }, false, None, now.Add(time.Minute), ""},
		{"eleven days, half left", leaf(11*days, 132*time.Hour), func(in *Input) { in.Gap = time.Hour }, false, None, time.Time{}, ""},
		{"160 hours, weekly runs", leaf(160*time.Hour, 20*time.Hour), func(in *Input) { in.Gap = week }, true, Expiring, now, "before the next run"},

		{"another name", young, func(in *Input) { in.Wish.Names = []string{"reg.example.com", "b.example.com"} }, true, Names, now, "not for b.example.com"},
		{"a name less", &certs.Leaf{Names: []string{"reg.example.com", "b.example.com"}, KeyType: "EC P-256", Fingerprint: "f1", NotBefore: young.NotBefore, NotAfter: young.NotAfter},
			func(in *Input) { in.State.Issued.Names = []string{"reg.example.com", "b.example.com"} }, true, Names, now, "other names"},
		{"order and case of names do not matter", young, func(in *Input) {
			in.State.Issued.Names = []string{"reg.example.com", "reg.example.com"}
		}, false, None, time.Time{}, ""},
		{"imported, with a wildcard", &certs.Leaf{Names: []string{"*.example.com"}, KeyType: "RSA 2048", Fingerprint: "f2", NotBefore: young.NotBefore, NotAfter: young.NotAfter}, nil, false, None, now.Add(40 * days), ""},
		{"a wildcard is for one label", &certs.Leaf{Names: []string{"*.example.com"}, Fingerprint: "f2", NotBefore: young.NotBefore, NotAfter: young.NotAfter},
			func(in *Input) { in.Wish.Names = []string{"a.b.example.com"} }, true, Names, now, ""},
		{"a wildcard is not for addresses", &certs.Leaf{Names: []string{"*.0.2.1"}, Fingerprint: "f2", NotBefore: young.NotBefore, NotAfter: young.NotAfter},
			func(in *Input) { in.Wish.Names = []string{"192.0.2.1"} }, true, Names, now, ""},
		{"another key type", young, func(in *Input) { in.Wish.KeyType = "RSA 2048" }, true, Changed, now, "EC P-256 and is to be RSA 2048"},
		{"another key type, imported", young, func(in *Input) { in.Wish.KeyType, in.State = "RSA 2048", State{} }, false, None, time.Time{}, ""},
		{"another profile", young, func(in *Input) { in.Wish.Profile = "shortlived" }, true, Changed, now, "profile"},
		{"another CA", young, func(in *Input) { in.Wish.Server = "https://other.example/dir" }, true, Changed, now, "another CA"},

		{"ARI far away", young, func(in *Input) {
			in.State = windowed(in.State, now.Add(30*days), now.Add(32*days), 0.5)
		}, false, None, now.Add(31 * days), ""},
		{"ARI past", young, func(in *Input) {
			in.State = windowed(in.State, now.Add(-3*days), now.Add(-2*days), 0.5)
		}, true, Wanted, now, "the CA wants it"},
		{"ARI drawn and past", young, func(in *Input) {
			in.State = windowed(in.State, now.Add(-2*days), now.Add(2*days), 0.49)
		}, true, Wanted, now, ""},
		{"ARI drawn, after the next run", young, func(in *Input) {
			in.State = windowed(in.State, now.Add(-2*days), now.Add(4*days), 0.9)
		}, false, None, time.Time{}, ""},
		{"ARI drawn, before the next run", young, func(in *Input) {
			in.State, in.Gap = windowed(in.State, now.Add(2*days), now.Add(4*days), 0.5), 5*days
		}, true, Wanted, now, ""},
		{"ARI later than a third left", old, func(in *Input) {
			in.State = windowed(in.State, now.Add(20*days), now.Add(21*days), 0)
		}, true, Expiring, now, ""},
		{"ARI of another certificate", young, func(in *Input) {
			in.State, in.CertID = windowed(in.State, now.Add(-3*days), now.Add(-2*days), 0.5), "aki.other"
		}, false, None, now.Add(40 * days), ""},
		{"ARI unknown", young, func(in *Input) { in.State.NoWindow(id, "404", 0, now) }, false, None, now.Add(40 * days), ""},
		{"ARI at once after the issue", leaf(90*days, time.Hour), func(in *Input) {
			in.State = windowed(in.State, now.Add(-3*days), now.Add(-2*days), 0.5)
		}, false, Wanted, now.Add(9*days - time.Hour), "without --force"},

		{"a tenth is over", leaf(90*days, 9*days), func(in *Input) {
			in.State = windowed(in.State, now.Add(-3*days), now.Add(-2*days), 0.5)
		}, true, Wanted, now, ""},
		{"lost right after the issue", nil, func(in *Input) { in.State = issued(leaf(90*days, time.Hour)) }, false, Missing, now.Add(9*days - time.Hour), "without --force"},
		{"lost right after the issue, forced", nil, func(in *Input) { in.State, in.Force = issued(leaf(90*days, time.Hour)), true }, true, Forced, now, ""},
		{"state lost, ARI past, made today", leaf(90*days, time.Hour), func(in *Input) {
			in.State = windowed(State{}, now.Add(-3*days), now.Add(-2*days), 0.5)
		}, false, Wanted, time.Time{}, "without --force"},
		{"other names right after the issue", leaf(90*days, time.Hour), func(in *Input) { in.Wish.Names = []string{"b.example.com"} }, true, Names, now, ""},
		{"another key type right after the issue", leaf(90*days, time.Hour), func(in *Input) { in.Wish.KeyType = "RSA 2048" }, false, Changed, time.Time{}, "without --force"},

		{"failed a moment ago", old, func(in *Input) {
			in.State.Begin(now.Add(-30*time.Second), server)
			in.State.Fail(now.Add(-30*time.Second), "validation", "no DNS", time.Time{})
		}, false, Expiring, now.Add(30 * time.Second), "attempt 1 failed"},
		{"failed a moment ago, attended", old, func(in *Input) {
			in.State.Begin(now.Add(-30*time.Second), server)
			in.State.Fail(now.Add(-30*time.Second), "validation", "no DNS", time.Time{})
			in.Attended = true
		}, true, Expiring, now, ""},
		{"failed, time is up", old, func(in *Input) {
			in.State.Begin(now.Add(-time.Minute), server)
			in.State.Fail(now.Add(-time.Minute), "validation", "no DNS", time.Time{})
		}, true, Expiring, now, ""},
		{"killed in an attempt", old, func(in *Input) { in.State.Begin(now.Add(-10*time.Second), server) }, false, Expiring, now.Add(50 * time.Second), "interrupted"},
		{"rate limited, forced and attended", old, func(in *Input) {
			in.State.Begin(now, server)
			in.State.Fail(now, "rate-limited", "too many", now.Add(40*time.Hour))
			in.Force, in.Attended = true, true
		}, false, Forced, now.Add(40 * time.Hour), "too many"},
		{"rate limited by the CA before this one", old, func(in *Input) {
			in.State.Begin(now, "https://other.example/dir")
			in.State.Fail(now, "rate-limited", "too many", now.Add(40*time.Hour))
		}, true, Expiring, now, ""},
		{"failed a moment ago at the CA before this one", old, func(in *Input) {
			in.State.Begin(now, "https://other.example/dir")
			in.State.Fail(now, "unreachable", "down", time.Time{})
		}, true, Expiring, now, ""},
		{"four failures within an hour, attended", old, func(in *Input) {
			for n := range 4 {
				in.State.Begin(now.Add(time.Duration(n-40)*time.Minute), server)
				in.State.Fail(now.Add(time.Duration(n-40)*time.Minute), Validation, "no DNS", time.Time{})
			}
			in.Attended, in.Wish.Limits = true, true
		}, false, Expiring, now.Add(20 * time.Minute), "within an hour"},
		{"four failures at another CA", old, func(in *Input) {
			for n := range 4 {
				in.State.Begin(now.Add(time.Duration(n-40)*time.Minute), "https://staging.example")
				in.State.Fail(now.Add(time.Duration(n-40)*time.Minute), Validation, "no DNS", time.Time{})
			}
			in.Attended, in.Wish.Limits = true, true
		}, true, Expiring, now, ""},
		{"five a week, forced", young, func(in *Input) {
			for n := range 5 {
				in.State.Succeed(now.Add(time.Duration(n-6)*days), *in.State.Issued, false)
			}
			in.Force, in.Wish.Limits = true, true
		}, false, Forced, now.Add(days), "within a week"},
		{"killed ten times within an hour, forced", young, func(in *Input) {
			for n := range 10 {
				in.State.Begin(now.Add(time.Duration(n-40)*time.Minute), server)
			}
			in.Force, in.Wish.Limits = true, true
		}, true, Forced, now, ""},
		{"five a week at another kind of CA, forced", young, func(in *Input) {
			for n := range 5 {
				in.State.Succeed(now.Add(time.Duration(n-6)*days), *in.State.Issued, false)
			}
			in.Force = true
		}, true, Forced, now, ""},
		{"five a week that replaced, forced", young, func(in *Input) {
			for n := range 5 {
				in.State.Succeed(now.Add(time.Duration(n-6)*days), *in.State.Issued, true)
			}
			in.Force, in.Wish.Limits = true, true
		}, true, Forced, now, ""},

		{"the clock is before its begin", leaf(90*days, -time.Hour), nil, false, Future, now.Add(time.Hour), "clock"},
		{"a minute before its begin", leaf(90*days, -time.Minute), nil, false, None, time.Time{}, ""},
		{"an attempt noted by a clock that was ahead", old, func(in *Input) {
			in.State.Begin(now.Add(900*days), server)
		}, true, Expiring, now, ""},
		{"an issue noted by a clock that was ahead", old, func(in *Input) { in.State.Issued.At = now.Add(900 * days) }, true, Expiring, now, ""},
		{"a clock that is years ahead, right after the issue", leaf(90*days, 1000*days), func(in *Input) {
			in.State.Issued.At = now.Add(-time.Hour)
		}, false, Expiring, now.Add(9*days - time.Hour), "without --force"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Leaf: tt.leaf, CertID: id, Wish: wish, Now: now, Gap: 24 * time.Hour}
			if tt.leaf != nil && tt.leaf.Fingerprint == "f1" {
				in.State = issued(tt.leaf)
			}
			if tt.change != nil {
				tt.change(&in)
			}
			d := Decide(in)
			if d.Due != tt.due || d.Reason != tt.reason {
				t.Errorf("got due %v, %q (%s; %s)", d.Due, d.Reason, d.Why, d.Held)
			}
			if !tt.next.IsZero() && !d.Next.Equal(tt.next) {
				t.Errorf("next %v, want %v", d.Next, tt.next)
			}
			if !strings.Contains(d.Why+d.Held, tt.why) {
				t.Errorf("why %q, held %q, want %q", d.Why, d.Held, tt.why)
			}
			if d.Due && d.Held != "" || !d.Due && d.Reason != None && d.Reason != Future && d.Held == "" || d.Next.IsZero() {
				t.Errorf("%+v contradicts itself", d)
			}
		})
	}
}

func TestDrawnOnce(t *testing.T) {
	var s State
	start, end := now.Add(30*days), now.Add(32*days)
	s.SetWindow(id, start, end, "", 0, now, 0.25)
	draw := s.Window.Draw
	if want := start.Add(12 * time.Hour); !draw.Equal(want) {
		t.Errorf("drew %v, want %v", draw, want)
	}
	s.SetWindow(id, start, end, "", 0, now.Add(time.Hour), 0.75)
	if !s.Window.Draw.Equal(draw) {
		t.Error("drawn twice for one window")
	}
	s.NoWindow(id, "500", 0, now.Add(2*time.Hour))
	if !s.Window.Draw.Equal(draw) || s.Window.Error != "500" {
		t.Errorf("an error has changed the draw: %+v", s.Window)
	}
	s.SetWindow(id, start, end, "", 0, now.Add(3*time.Hour), 0.75)
	if !s.Window.Draw.Equal(draw) || s.Window.Error != "" {
		t.Errorf("drawn again after an error: %+v", s.Window)
	}
	s.SetWindow(id, start.Add(-days), end, "", 0, now.Add(4*time.Hour), 0.75)
	if s.Window.Draw.Equal(draw) {
		t.Error("not drawn anew for another window")
	}
	for _, r := range []float64{0, 0.999999} {
		var s State
		s.SetWindow(id, start, end, "", 0, now, r)
		if s.Window.Draw.Before(start) || !s.Window.Draw.Before(end) {
			t.Errorf("%v: drew %v", r, s.Window.Draw)
		}
	}
}

func TestAsks(t *testing.T) {
	for _, tt := range []struct {
		retryAfter, after time.Duration
		want              bool
	}{
		{0, 6*time.Hour - time.Second, false}, {0, 6 * time.Hour, true},
		{time.Hour, 59 * time.Minute, false}, {time.Hour, time.Hour, true},
		{time.Second, 30 * time.Second, false}, {time.Second, time.Minute, true},
		{1000 * time.Hour, 23 * time.Hour, false}, {1000 * time.Hour, 24 * time.Hour, true},
		{time.Hour, -time.Hour, true}, // the clock was set back
	} {
		var s State
		s.SetWindow(id, now.Add(30*days), now.Add(31*days), "", tt.retryAfter, now, 0)
		if got := s.Asks(id, now.Add(tt.after)); got != tt.want {
			t.Errorf("Retry-After %s, %s later: %v", tt.retryAfter, tt.after, got)
		}
		if !s.Asks("aki.other", now) {
			t.Error("not asked about another certificate")
		}
	}
	if !(State{}).Asks(id, now) {
		t.Error("not asked at first")
	}
}
