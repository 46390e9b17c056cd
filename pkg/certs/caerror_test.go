package certs

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

func TestEnsureClockAnHourBack(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	if p := mustEnsure(t, l, now.Add(-59*time.Minute), "reg.lan"); p.String() != "" {
		t.Errorf("had to %s", p)
	}
	_, err := l.Ensure([]string{"reg.lan"}, now.Add(-61*time.Minute))
	if caReason(err) != CAFuture || advice.Of(err) != "compare the clock of this machine" {
		t.Errorf("got %v", err)
	}
}

// Out of none of these may another CA come by itself.
func TestCAErrors(t *testing.T) {
	write := func(path, data string) func(*testing.T, LocalCA) {
		return func(t *testing.T, l LocalCA) {
			if err := os.WriteFile(filepath.Join(filepath.Dir(l.Store.Dir), path), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := mintCA(t, minted{}, "Other")
	tests := []struct {
		name   string
		change func(t *testing.T, l LocalCA)
		names  []string
		after  time.Duration
		reason CAReason
		text   string // with CERT and KEY for the paths
		advice string
	}{
		{
			name: "key lost", reason: CAKeyLost,
			change: func(t *testing.T, l LocalCA) {
				if err := os.Remove(l.KeyPath()); err != nil {
					t.Fatal(err)
				}
			},
			text:   "KEY: the key of the local CA is gone",
			advice: "put it back from a backup; without one, move CERT away, run regctl up, and give the new one to every client",
		},
		{
			name: "key empty", reason: CAKeyUnusable, change: write("private/ca-key.pem", ""),
			text: "KEY: the key of the local CA cannot be used: KEY is empty",
		},
		{
			name: "key is junk", reason: CAKeyUnusable, change: write("private/ca-key.pem", "junk"),
			text: "KEY: the key of the local CA cannot be used: the key is not PEM",
		},
		{
			name: "key of another", reason: CAKeyUnusable, change: write("private/ca-key.pem", other.keyPEM(t)),
			text: "KEY: the key of the local CA cannot be used: it belongs to another certificate",
		},
		{
			name: "certificate is junk", reason: CADamaged, change: write("certs/ca.pem", "junk"),
			text: "CERT: not a certificate: the certificate is not PEM",
		},
		{
			name: "certificate empty", reason: CADamaged, change: write("certs/ca.pem", ""),
			text: "CERT: not a certificate: CERT is empty",
		},
		{
			name: "certificate of a server", reason: CADamaged, change: write("certs/ca.pem", mint(t, other, nil, nil).pem()),
			text: "CERT: not the certificate of a CA",
		},
		{
			name: "another domain", reason: CAOtherNames, names: []string{"new.example"},
			text: "CERT: the local CA may not sign for new.example",
		},
		{
			name: "an address more", reason: CAOtherNames, names: []string{"reg.lan", "192.0.2.7"},
			text: "CERT: the local CA may not sign for reg.lan, 192.0.2.7",
		},
		{
			name: "expired", reason: CAExpired, after: 3651 * 24 * time.Hour,
			text: "CERT: the local CA expired on 2036-11-21",
		},
		{
			name: "cannot sign for servers", reason: CARefused,
			change: func(t *testing.T, l LocalCA) {
				ca := mint(t, minted{}, nil, func(c *x509.Certificate) {
					c.IsCA, c.ExtKeyUsage = true, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
				})
				write("certs/ca.pem", ca.pem())(t, l)
				write("private/ca-key.pem", ca.keyPEM(t))(t, l)
			},
			text: "CERT: what the local CA signs does not verify: x509: certificate specifies an incompatible key usage",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLocalCA(t)
			mustEnsure(t, l, now, "reg.lan")
			if tt.change != nil {
				tt.change(t, l)
			}
			names := tt.names
			if names == nil {
				names = []string{"reg.lan"}
			}
			root := filepath.Dir(l.Store.Dir)
			before := tree(t, root)
			paths := strings.NewReplacer("CERT", l.CertPath(), "KEY", l.KeyPath())
			_, err := l.Ensure(names, now.Add(tt.after))
			if caReason(err) != tt.reason || err.Error() != paths.Replace(tt.text) {
				t.Errorf("got %v (%s), want %s (%s)", err, caReason(err), paths.Replace(tt.text), tt.reason)
			}
			want := tt.advice
			if want == "" {
				want = "move CERT and KEY away, run regctl up, and give the new ca.pem to every client"
			}
			if got := advice.Of(err); got != paths.Replace(want) {
				t.Errorf("advice %q, want %q", got, paths.Replace(want))
			}
			if after := tree(t, root); !slices.Equal(before, after) {
				t.Errorf("something was written: %q, was %q", after, before)
			}
			// The way out.
			p, err := l.PlanNew(names, now.Add(tt.after))
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Apply(p); err != nil {
				t.Fatal(err)
			}
			if p := mustEnsure(t, l, now.Add(tt.after), names...); p.String() != "" {
				t.Errorf("after a new CA still had to %s", p)
			}
		})
	}
}

func TestCAKeyThatIsNoneIsNotOverwritten(t *testing.T) {
	l := newLocalCA(t)
	if err := durable.MkdirAll(l.PrivateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.KeyPath(), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := l.Ensure([]string{"reg.lan"}, now)
	if caReason(err) != CAKeyUnusable || advice.Of(err) != "move it away, then run regctl up" {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(l.KeyPath()); err != nil || string(data) != "precious" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

func TestCAKeyOpenToOthers(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	if err := os.Chmod(l.KeyPath(), 0o640); err != nil {
		t.Fatal(err)
	}
	p := mustEnsure(t, l, now, "reg.lan")
	if want := l.KeyPath() + " can be read by others (mode 0640): chmod 600 it"; !slices.Equal(p.Warnings, []string{want}) {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}
}

// Another user who may read certs/ but not private/ is not told to make a CA.
func TestCAKeyOfAnotherUser(t *testing.T) {
	l := newLocalCA(t)
	mustEnsure(t, l, now, "reg.lan")
	ca := l.mustLoad(t, now)
	// t.TempDir lies in a directory of its own that is closed to others.
	if err := os.Chmod(filepath.Join(filepath.Dir(l.Store.Dir), ".."), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.PrivateDir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(l.PrivateDir, 0o700); err != nil {
			t.Error(err)
		}
	})
	for _, names := range [][]string{{"reg.lan"}, {"new.example"}} {
		var err error
		asNobody(t, func() { _, err = l.Plan(names, now) })
		if caReason(err) != CAKeyUnusable || !errors.Is(err, fs.ErrPermission) || advice.Of(err) != "run regctl as the user who owns it" {
			t.Errorf("got %v, advice %q", err, advice.Of(err))
		}
		if err := os.Remove(l.CertPath()); err != nil { // and with it gone
			t.Fatal(err)
		}
		asNobody(t, func() { _, err = l.Plan(names, now) })
		if caReason(err) != CAKeyUnusable || advice.Of(err) != "run regctl as the user who owns it" {
			t.Errorf("without ca.pem: %v, advice %q", err, advice.Of(err))
		}
		if err := os.WriteFile(l.CertPath(), encodeCertificate(ca.cert.Raw), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
