package certs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestGoTo(t *testing.T) {
	s, old, next := newStore(t), goodPair(t, host), goodPair(t, host)
	if _, err := s.Current(host); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	mustInstall(t, s, host, old, true)
	mustInstall(t, s, host, next, true)
	if n, err := s.Current(host); n != "2" || err != nil {
		t.Errorf("got %s, %v", n, err)
	}
	if err := s.GoTo(host, "1"); err != nil {
		t.Fatal(err)
	}
	live, _, err := s.Live(host)
	if n, _ := s.Current(host); err != nil || n != "1" || string(live.Key) != string(old.Key) {
		t.Errorf("pair %s is live, %v", n, err)
	}
	// What was gone back from can be gone to again, and a new one comes after all.
	if err := s.GoTo(host, "2"); err != nil {
		t.Fatal(err)
	}
	mustInstall(t, s, host, goodPair(t, host), true)
	if n, err := s.Current(host); n != "3" || err != nil {
		t.Errorf("got %s, %v", n, err)
	}
	for _, n := range []string{"0", "7", "-1", "", "..", "01", "bootstrap"} {
		if err := s.GoTo(host, n); err == nil {
			t.Errorf("went to %q", n)
		}
	}
	if err := os.Truncate(filepath.Join(s.archiveDir(host), "2", keyFile), 10); err != nil {
		t.Fatal(err)
	}
	if err := s.GoTo(host, "2"); err == nil {
		t.Error("went to a damaged pair")
	}
	if n, err := s.Current(host); n != "3" || err != nil {
		t.Errorf("got %s, %v", n, err)
	}
	noTemp(t, s.Dir)
}

func TestBootstrap(t *testing.T) {
	names := []string{"reg.example.com", "192.0.2.1"}
	p, err := Bootstrap(names, now)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Check(names, now)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if !r.Leaf.SelfSigned || !slices.Equal(r.Leaf.Names, names) || r.Leaf.NotAfter.Before(now.Add(300*24*time.Hour)) {
		t.Errorf("got %+v", r.Leaf)
	}
	s := newStore(t)
	for range 2 { // the second time in the place of a first
		if err := s.InstallBootstrap(host, p); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Current(host); l != "bootstrap" || err != nil {
			t.Errorf("got %q, %v", l, err)
		}
	}
	mustInstall(t, s, host, goodPair(t, host), true)
	if l, err := s.Current(host); l != "1" || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
	if err := s.GoTo(host, "bootstrap"); err != nil {
		t.Error(err)
	}
	noTemp(t, s.Dir)
}

func TestFind(t *testing.T) {
	s := newStore(t)
	mustInstall(t, s, host, goodPair(t, host), true)
	_, first, err := s.Live(host)
	if err != nil {
		t.Fatal(err)
	}
	mustInstall(t, s, host, goodPair(t, host), true)
	if l, err := s.Find(host, first.Fingerprint); l != "1" || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
	if l, err := s.Find(host, "other"); l != "" || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
	if err := os.Remove(filepath.Join(s.archiveDir(host), "1", keyFile)); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Find(host, first.Fingerprint); l != "" || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
}

func TestProbe(t *testing.T) {
	s := newStore(t)
	if err := s.Probe(host); err != nil {
		t.Fatal(err)
	}
	noTemp(t, s.Dir)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Store{file}).Probe(host); err == nil {
		t.Error("could be written")
	}
}

func TestSigned(t *testing.T) {
	l := newLocalCA(t)
	if ok, err := l.Signed(goodPair(t, host)); ok || err != nil {
		t.Errorf("without a CA: %v, %v", ok, err)
	}
	if _, err := l.Ensure([]string{"localhost"}, now); err != nil {
		t.Fatal(err)
	}
	p, _, err := l.Store.Live("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Signed(p); !ok || err != nil {
		t.Errorf("its own: %v, %v", ok, err)
	}
	if ok, err := l.Signed(goodPair(t, host)); ok || err != nil {
		t.Errorf("another's: %v, %v", ok, err)
	}
}
