package renewal

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func full() State {
	l := leaf(90*days, 20*days)
	s := issued(l)
	s.SetWindow(id, now.Add(30*days), now.Add(31*days), "https://ca.example/why", time.Hour, now, 0.5)
	s.Begin(now, server)
	s.Fail(now, "validation", "no DNS", now.Add(time.Hour))
	s.Orders = []Order{{now.Add(-time.Hour), []string{"a"}, server, true}}
	s.LastRun, s.Version = now, version
	return s
}

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certs.json")
	if s, err := Load(path); err != nil || !reflect.DeepEqual(s, State{Version: version}) {
		t.Fatalf("got %+v, %v", s, err)
	}
	want := full()
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestDamagedState(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut short": `{"version":1,"issued":{"at":"2026`, "not JSON": "version: 1", "another version": `{"version":2}`,
		"no version": `{}`, "unknown key": `{"version":1,"isued":{}}`, "wrong type": `{"version":1,"fails":3}`, "two": `{"version":1}{"version":1}`,
		"huge": strings.Repeat(" ", maxState+1), "null": "null",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "certs.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Load(path)
			if !errors.Is(err, ErrDamaged) || !reflect.DeepEqual(s, State{Version: version}) {
				t.Fatalf("got %+v, %v", s, err)
			}
			if err := s.Save(path); err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(path + ".damaged"); err != nil || string(kept) != text {
				t.Errorf("the damaged one was not kept: %v", err)
			}
			if _, err := Load(path); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	const day = 24*time.Hour - 15*time.Minute
	var s State
	at := now
	for i, want := range []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute, day, day} {
		s.Begin(at, server)
		s.Fail(at, "unreachable", "down", time.Time{})
		if got := s.Attempt.Next.Sub(at); got != want || s.Attempt.Count != i+1 || s.Attempt.Obeyed {
			t.Errorf("failure %d: %+v", i+1, s.Attempt)
		}
		at = s.Attempt.Next
	}
	s.Fail(at, "rate-limited", "later", at.Add(40*time.Hour))
	if !s.Attempt.Obeyed || s.Attempt.Next.Sub(at) != 40*time.Hour {
		t.Errorf("Retry-After is not obeyed: %+v", s.Attempt)
	}
	s.Fail(at, "unreachable", "soon", at.Add(time.Second)) // never sooner than we would
	if s.Attempt.Obeyed || s.Attempt.Next.Sub(at) != day {
		t.Errorf("got %+v", s.Attempt)
	}
	s.Succeed(at, Issued{Server: server}, false)
	if s.Attempt != nil || len(s.Fails) != 0 || s.Window != nil || len(s.Orders) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestGap(t *testing.T) {
	for since, want := range map[time.Duration]time.Duration{0: 24 * time.Hour, time.Second: time.Hour, 6 * time.Hour: 6 * time.Hour, 30 * days: week, -time.Hour: 24 * time.Hour} {
		if got := (State{LastRun: now.Add(-since)}).Gap(now); got != want {
			t.Errorf("%s ago: %s", since, got)
		}
	}
	if got := (State{}).Gap(now); got != 24*time.Hour {
		t.Errorf("never: %s", got)
	}
}
