package acme

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
)

var oneName = Request{Names: []string{"reg.example.com"}, KeyType: "ec256", Profile: "default"}

// Whatever is wrong with the account's key, no other one is made.
func TestLostKey(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"damaged": func(path string) error {
			return os.WriteFile(path, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		},
		"a directory": func(path string) error { os.Remove(path); return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPebble(t, pebbleOptions{})
			i := p.issuer(t)
			mustObtain(t, i, oneName)
			key := filepath.Join(i.Accounts.Path(i.Directory), "key.pem")
			if err := spoil(key); err != nil {
				t.Fatal(err)
			}
			before := p.count("")
			err := refused(t, i, oneName, Account)
			if !strings.Contains(advice.Of(error(wrap(t, i))), "move ") {
				t.Errorf("no way out is told: %v", err)
			}
			if n := p.count("sign-me-up"); n != 1 || p.count("") != before {
				t.Errorf("%d registrations, %d requests more", n, p.count("")-before)
			}
			// The way out that the error names.
			dir := i.Accounts.Path(i.Directory)
			if err := os.Rename(dir, dir+".old"); err != nil {
				t.Fatal(err)
			}
			mustObtain(t, i, oneName)
		})
	}
}

// wrap gives the error with its advice.
func wrap(t *testing.T, i *Issuer) error {
	_, err := i.Obtain(t.Context(), oneName)
	if err == nil {
		t.Fatal("it works")
	}
	return err
}

// A run killed between the key and the registration, or between the
// registration and its record, ends in one account.
func TestAccountHalfMade(t *testing.T) {
	t.Parallel()
	t.Run("the key alone", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{})
		i := p.issuer(t)
		acc, err := i.Accounts.load(i.Directory)
		if err != nil {
			t.Fatal(err)
		}
		if err := acc.saveKey(); err != nil {
			t.Fatal(err)
		}
		mustObtain(t, i, oneName)
	})
	for name, spoil := range map[string]func(path string) error{
		"no record": os.Remove,
		"half a record": func(path string) error {
			return os.Truncate(path, 30)
		},
		"an empty record": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPebble(t, pebbleOptions{strictEAB: true})
			const hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
			if err := p.db.AddExternalAccountKeyByID("kid-1", hmac); err != nil {
				t.Fatal(err)
			}
			i := p.issuer(t)
			i.Binding = &ExternalAccount{"kid-1", hmac}
			mustObtain(t, i, oneName)
			before, err := i.Accounts.Info(i.Directory)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(i.Accounts.Path(i.Directory), "account.json")); err != nil {
				t.Fatal(err)
			}
			i.Binding = nil // the secret has been used up
			mustObtain(t, i, oneName)
			after, err := i.Accounts.Info(i.Directory)
			if err != nil || after.URI != before.URI {
				t.Errorf("got %+v, %v; was %s", after, err, before.URI)
			}
		})
	}
}

// An account that the CA has dropped or closed is not replaced.
func TestAccountGone(t *testing.T) {
	t.Parallel()
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		p, q := newPebble(t, pebbleOptions{}), newPebble(t, pebbleOptions{})
		i := p.issuer(t)
		mustObtain(t, i, oneName)
		// Another server under the same address: it has lost all its accounts.
		p.on(func(w http.ResponseWriter, r *http.Request) bool {
			r.Host = p.Listener.Addr().String()
			q.Config.Handler.ServeHTTP(w, r)
			return true
		})
		e := refused(t, i, oneName, Account)
		if q.count("sign-me-up") != 0 {
			t.Errorf("another account was made: %v", e)
		}
	})
	t.Run("deactivated", func(t *testing.T) {
		t.Parallel()
		p := newPebble(t, pebbleOptions{})
		i := p.issuer(t)
		mustObtain(t, i, oneName)
		acc, err := i.Accounts.load(i.Directory)
		if err != nil {
			t.Fatal(err)
		}
		c, err := i.connect(t.Context(), acc, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Registration.DeleteRegistration(); err != nil {
			t.Fatal(err)
		}
		refused(t, i, oneName, Account)
		if n := p.count("sign-me-up"); n != 1 {
			t.Errorf("%d registrations", n)
		}
	})
}

func TestAccountsOfTwoDirectories(t *testing.T) {
	t.Parallel()
	p, q := newPebble(t, pebbleOptions{}), newPebble(t, pebbleOptions{})
	i, j := p.issuer(t), q.issuer(t)
	j.Accounts = i.Accounts
	mustObtain(t, i, oneName)
	mustObtain(t, j, oneName)
	a, err := i.Accounts.Info(i.Directory)
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.Accounts.Info(j.Directory)
	if err != nil || a.URI == b.URI {
		t.Errorf("got %v, %v, %v", a, b, err)
	}
}

// A dry run leaves no account here and none at the CA.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	i.Ephemeral = true
	var deactivated bool
	p.on(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "my-account") {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			deactivated = true
		}
		return false
	})
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(p.web, old, old); err != nil {
		t.Fatal(err)
	}
	mustObtain(t, i, oneName)
	if fi, err := os.Stat(p.web); err != nil || !fi.ModTime().Equal(old) {
		t.Errorf("the webroot has changed: %v, %v", fi.ModTime(), err)
	}
	if entries, err := os.ReadDir(p.web); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if _, err := os.Stat(i.Accounts.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if !deactivated {
		t.Error("the account was not given up")
	}
}

func TestEmailChanges(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	mustObtain(t, i, oneName)
	i.Email = "other@example.com"
	mustObtain(t, i, oneName)
	info, err := i.Accounts.Info(i.Directory)
	if err != nil || info.Email != "other@example.com" {
		t.Errorf("got %+v, %v", info, err)
	}
}

// What is written down has no secret in it.
func TestAccountRecordHoldsNoSecret(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	const hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	if err := p.db.AddExternalAccountKeyByID("kid-1", hmac); err != nil {
		t.Fatal(err)
	}
	i := p.issuer(t)
	i.Binding = &ExternalAccount{"kid-1", hmac}
	mustObtain(t, i, oneName)
	data, err := os.ReadFile(filepath.Join(i.Accounts.Path(i.Directory), "account.json"))
	if err != nil || strings.Contains(string(data), hmac) || !json.Valid(data) {
		t.Errorf("got %s, %v", data, err)
	}
}
