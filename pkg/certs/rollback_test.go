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
	if n, err := s.Current(host); n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if err := s.GoTo(host, 1); err != nil {
		t.Fatal(err)
	}
	live, _, err := s.Live(host)
	if n, _ := s.Current(host); err != nil || n != 1 || string(live.Key) != string(old.Key) {
		t.Errorf("pair %d is live, %v", n, err)
	}
	// What was gone back from can be gone to again, and a new one comes after all.
	if err := s.GoTo(host, 2); err != nil {
		t.Fatal(err)
	}
	mustInstall(t, s, host, goodPair(t, host), true)
	if n, err := s.Current(host); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, n := range []int{0, 7, -1} {
		if err := s.GoTo(host, n); err == nil {
			t.Errorf("went to %d", n)
		}
	}
	if err := os.Truncate(filepath.Join(s.archiveDir(host), "2", keyFile), 10); err != nil {
		t.Fatal(err)
	}
	if err := s.GoTo(host, 2); err == nil {
		t.Error("went to a damaged pair")
	}
	if n, err := s.Current(host); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
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
	mustInstall(t, newStore(t), "reg.example.com", p, true)
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
