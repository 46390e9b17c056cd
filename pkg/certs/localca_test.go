package certs

import (
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newLocalCA(t testing.TB) LocalCA {
	t.Helper()
	dir := t.TempDir()
	return LocalCA{Store: Store{filepath.Join(dir, "certs")}, PrivateDir: filepath.Join(dir, "private")}
}

func mustEnsure(t testing.TB, l LocalCA, at time.Time, names ...string) *Plan {
	t.Helper()
	p, err := l.Ensure(names, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (l LocalCA) mustLoad(t testing.TB, at time.Time) *authority {
	t.Helper()
	ca, err := l.load(at)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestEnsureFirst(t *testing.T) {
	l := newLocalCA(t)
	p := mustEnsure(t, l, now, "localhost")
	if want := "create a local CA for localhost, 127.0.0.1, ::1\nissue a certificate for localhost, 127.0.0.1, ::1 (there was no local CA)\n"; p.String() != want {
		t.Errorf("plan %q, want %q", p, want)
	}
	for path, mode := range map[string]fs.FileMode{l.PrivateDir: 0o700, l.KeyPath(): 0o600, l.CertPath(): 0o644} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != mode {
			t.Errorf("%s has mode %04o, want %04o", path, fi.Mode().Perm(), mode)
		}
	}
	ca := l.mustLoad(t, now).cert
	if ca.Subject.String() != "CN=regctl local CA for localhost" || !ca.IsCA || !ca.MaxPathLenZero || ca.MaxPathLen != 0 ||
		keyType(ca.PublicKey) != "EC P-256" || !ca.PermittedDNSDomainsCritical {
		t.Errorf("CA: %s, path length %d, %s", ca.Subject, ca.MaxPathLen, keyType(ca.PublicKey))
	}
	if got, want := ca.NotAfter.Sub(ca.NotBefore), 10*365*24*time.Hour+time.Hour; got != want {
		t.Errorf("the CA lasts %s, want %s", got, want)
	}
	pair, leaf, err := l.Store.Live("localhost")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(leaf.Names, []string{"localhost", "127.0.0.1", "::1"}) || leaf.KeyType != "EC P-256" || leaf.Issuer != ca.Subject.String() {
		t.Errorf("leaf: %+v", leaf)
	}
	if !leaf.NotBefore.Equal(now.Add(-time.Hour)) || leaf.DaysLeft(now) != 397 {
		t.Errorf("leaf from %s, %d days left", leaf.NotBefore, leaf.DaysLeft(now))
	}
	report := pair.Check([]string{"localhost", "127.0.0.1", "::1"}, now)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if m, _ := pair.examine(); len(m.chain) != 1 || !slices.Equal(m.leaf().ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("%d certificates, usage %v", len(m.chain), m.leaf().ExtKeyUsage)
	}
}

func TestEnsureAgainChangesNothing(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan", "192.0.2.7")
	root := filepath.Dir(l.Store.Dir)
	before := tree(t, root)
	_, leaf, err := l.Store.Live("reg.lan")
	if err != nil {
		t.Fatal(err)
	}
	p := mustEnsure(t, l, now.Add(time.Hour), "reg.lan", "192.0.2.7")
	if p.String() != "" || p.CreateCA || p.IssueLeaf || p.Why != "" || len(p.Warnings) != 0 {
		t.Errorf("plan %+v", p)
	}
	if after := tree(t, root); !slices.Equal(before, after) {
		t.Errorf("got %q, was %q", after, before)
	}
	if _, again, err := l.Store.Live("reg.lan"); err != nil || again.Fingerprint != leaf.Fingerprint {
		t.Errorf("another certificate is live (%v)", err)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	l := newLocalCA(t)
	p, err := l.Plan([]string{"localhost"}, now)
	if err != nil || !p.CreateCA || !p.IssueLeaf {
		t.Fatalf("plan %+v, %v", p, err)
	}
	if got := tree(t, filepath.Dir(l.Store.Dir)); len(got) != 0 {
		t.Errorf("something was written: %q", got)
	}
}

// When a new certificate is due, and when not.
func TestEnsureReissues(t *testing.T) {
	names := []string{"reg.lan", "alt.reg.lan"}
	tests := []struct {
		name   string
		change func(t *testing.T, l LocalCA)
		names  []string
		after  time.Duration
		want   string
	}{
		{name: "nothing changed"},
		{name: "other order of names", names: []string{"reg.lan", "alt.reg.lan", "reg.lan"}},
		{name: "a third and a day left", after: 264 * 24 * time.Hour},
		{name: "under a third left", after: 266 * 24 * time.Hour, want: "the certificate was to end in 131 days"},
		{name: "expired", after: 398 * 24 * time.Hour, want: "the certificate had expired"},
		{name: "a name fewer", names: []string{"reg.lan"}, want: "the names have changed"},
		{name: "a name below", names: []string{"reg.lan", "alt.reg.lan", "x.reg.lan"}, want: "the names have changed"},
		{name: "link gone", want: "there was no certificate", change: func(t *testing.T, l LocalCA) {
			if err := os.Remove(l.Store.LiveDir("reg.lan")); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "key gone", want: "the certificate was damaged", change: func(t *testing.T, l LocalCA) {
			if err := os.Remove(filepath.Join(l.Store.LiveDir("reg.lan"), keyFile)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "key of another", want: "the certificate was damaged", change: func(t *testing.T, l LocalCA) {
			if err := os.WriteFile(filepath.Join(l.Store.LiveDir("reg.lan"), keyFile), goodPair(t, host).Key, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "of another CA", want: "another CA had signed the certificate", change: func(t *testing.T, l LocalCA) {
			mustInstall(t, l.Store, "reg.lan", goodPair(t, "reg.lan"), true)
		}},
		{name: "not yet valid", want: "the certificate was not yet valid", change: func(t *testing.T, l LocalCA) {
			h, err := parseHosts(names)
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.mustLoad(t, now).issue(h, now.Add(2*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			mustInstall(t, l.Store, "reg.lan", p, true)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLocalCA(t)
			mustEnsure(t, l, now, names...)
			if tt.change != nil {
				tt.change(t, l)
			}
			asked := tt.names
			if asked == nil {
				asked = names
			}
			at := now.Add(tt.after)
			p := mustEnsure(t, l, at, asked...)
			if p.Why != tt.want || p.IssueLeaf != (tt.want != "") || p.CreateCA {
				t.Errorf("plan %+v, want %q", p, tt.want)
			}
			if again := mustEnsure(t, l, at, asked...); again.String() != "" {
				t.Errorf("a second run still had to %s", again)
			}
		})
	}
}

func TestLeafEndsWithTheCA(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	ca := l.mustLoad(t, now)
	late := ca.cert.NotAfter.Add(-30 * 24 * time.Hour)
	p := mustEnsure(t, l, late, "reg.lan")
	want := "the local CA ends on 2036-11-21 and every certificate of its with it: replace it before, and give the new " + l.CertPath() + " to every client"
	if !p.IssueLeaf || !slices.Equal(p.Warnings, []string{want}) {
		t.Errorf("plan %+v", p)
	}
	_, leaf, err := l.Store.Live("reg.lan")
	if err != nil || !leaf.NotAfter.Equal(ca.cert.NotAfter) {
		t.Errorf("the leaf ends on %s, the CA on %s (%v)", leaf.NotAfter, ca.cert.NotAfter, err)
	}
	// A new one would gain nothing: none is issued to the very end.
	if p := mustEnsure(t, l, ca.cert.NotAfter.Add(-time.Hour), "reg.lan"); p.IssueLeaf || len(p.Warnings) != 1 {
		t.Errorf("plan %+v", p)
	}
}

func TestEnsureRefusesNames(t *testing.T) {
	l := newLocalCA(t)
	for _, names := range [][]string{nil, {""}, {"*.example.com"}, {"https://x"}, {"reg.lan", "a b"}, {"fe80::1%eth0"}} {
		if _, err := l.Ensure(names, now); err == nil {
			t.Errorf("took %q", names)
		}
		if _, err := l.PlanNew(names, now); err == nil {
			t.Errorf("PlanNew took %q", names)
		}
	}
	if got := tree(t, filepath.Dir(l.Store.Dir)); len(got) != 0 {
		t.Errorf("something was written: %q", got)
	}
}

func TestLongDomainFitsTheCommonName(t *testing.T) {
	domain := strings.Repeat("a", 63) + ".example.com"
	l := newLocalCA(t)
	mustEnsure(t, l, now, domain)
	if cn := l.mustLoad(t, now).cert.Subject.CommonName; cn != "regctl local CA for "+strings.Repeat("a", 41)+"..." {
		t.Errorf("common name %q, %d characters", cn, len(cn))
	}
}

// A second deployment address on the loopback network needs no new CA.
func TestLocalhostCAMaySignForAllOfLoopback(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "localhost")
	if p := mustEnsure(t, l, now, "localhost", "127.5.5.5"); p.CreateCA || p.Why != "the names have changed" {
		t.Errorf("plan %+v", p)
	}
}
