package certs

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// What the advice says works too.
func TestCAMovedAwayIsMadeAnew(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	for _, p := range []string{l.CertPath(), l.KeyPath()} {
		if err := os.Rename(p, p+".old"); err != nil {
			t.Fatal(err)
		}
	}
	if p := mustEnsure(t, l, now, "new.example"); !p.CreateCA || !p.IssueLeaf {
		t.Errorf("plan %+v", p)
	}
}

// With its key still there a lost ca.pem is made again so that clients who have
// the old one verify what it signs from now on.
func TestLostCACertificate(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	old := l.mustLoad(t, now)
	if err := os.Remove(l.CertPath()); err != nil {
		t.Fatal(err)
	}
	later := now.Add(300 * 24 * time.Hour)
	if p := mustEnsure(t, l, later, "reg.lan"); !p.CreateCA {
		t.Errorf("plan %+v", p)
	}
	if ca := l.mustLoad(t, later); ca.cert.Equal(old.cert) {
		t.Error("the certificate is the old one")
	}
	pair, _, err := l.Store.Live("reg.lan")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := pair.examine()
	if err := old.verify(m.leaf(), later); err != nil {
		t.Errorf("with the old ca.pem: %v", err)
	}
	if err := l.mustLoad(t, later).verify(m.leaf(), later); err != nil {
		t.Errorf("with the new ca.pem: %v", err)
	}
}

// A run killed between any two of the writes of a new CA is completed.
func TestNewCAAfterAKill(t *testing.T) {
	for _, step := range []string{"old certificate removed", "key written", "certificate written"} {
		t.Run(step, func(t *testing.T) {
			l := newLocalCA(t)
			mustEnsure(t, l, now, "reg.lan")
			p, err := l.PlanNew([]string{"reg.lan"}, now)
			if err != nil {
				t.Fatal(err)
			}
			switch step {
			case "old certificate removed":
				err = os.Remove(l.CertPath())
			case "key written":
				err = l.write(p)
				err = errors.Join(err, os.Remove(l.CertPath()))
			case "certificate written":
				err = l.write(p)
			}
			if err != nil {
				t.Fatal(err)
			}
			done := mustEnsure(t, l, now, "reg.lan")
			if done.CreateCA != (step != "certificate written") || !done.IssueLeaf {
				t.Errorf("plan %+v", done)
			}
			if again := mustEnsure(t, l, now, "reg.lan"); again.String() != "" {
				t.Errorf("still had to %s", again)
			}
		})
	}
}

// When the new key cannot be written the old CA goes on.
func TestNewCAThatFailsKeepsTheOld(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	p, err := l.PlanNew([]string{"reg.lan"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(l.PrivateDir, l.PrivateDir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.PrivateDir, nil, 0o600); err != nil { // no directory can be made here, by root neither
		t.Fatal(err)
	}
	if err := l.Apply(p); !errors.Is(err, syscall.ENOTDIR) {
		t.Fatalf("got %v", err)
	}
	if err := errors.Join(os.Remove(l.PrivateDir), os.Rename(l.PrivateDir+".away", l.PrivateDir)); err != nil {
		t.Fatal(err)
	}
	if p := mustEnsure(t, l, now, "reg.lan"); p.String() != "" {
		t.Errorf("had to %s", p)
	}
	if got := tree(t, l.Store.Dir); slices.Contains(got, "ca.pem.old") {
		t.Errorf("left behind: %q", got)
	}
}

func TestNewCAKeepsTheOldCertificate(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	old, err := os.ReadFile(l.CertPath())
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.PlanNew([]string{"reg.lan"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(p); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(l.CertPath() + ".old")
	if err != nil || string(kept) != string(old) {
		t.Errorf("ca.pem.old is not the old certificate (%v)", err)
	}
	if fresh, err := os.ReadFile(l.CertPath()); err != nil || string(fresh) == string(old) {
		t.Errorf("ca.pem is the old one still (%v)", err)
	}
}
