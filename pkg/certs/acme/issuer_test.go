package acme

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"

	"github.com/regctl/regctl/pkg/advice"
)

func mustObtain(t *testing.T, i *Issuer, r Request) *Issued {
	t.Helper()
	if r.KeyType == "" {
		r.KeyType = "ec256"
	}
	got, err := i.Obtain(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// refused runs an Obtain that is to fail, with that kind.
func refused(t *testing.T, i *Issuer, r Request, kind Kind) *Error {
	t.Helper()
	if r.KeyType == "" {
		r.KeyType = "ec256"
	}
	got, err := i.Obtain(t.Context(), r)
	e, ok := errors.AsType[*Error](err)
	if !ok || got != nil {
		t.Fatalf("got %v, %v", got, err)
	}
	if e.Kind != kind {
		t.Errorf("got kind %q (status %d, type %q), want %q: %v", e.Kind, e.Status, e.Type, kind, err)
	}
	if text := err.Error(); strings.ContainsAny(text, "\n\r\t\x1b") || strings.HasSuffix(text, ".") {
		t.Errorf("not a line for a person: %q", text)
	}
	t.Logf("%v; hint: %s", err, advice.Of(err))
	return e
}

func TestObtain(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	i.Email = "admin@example.com"
	got := mustObtain(t, i, Request{Names: []string{"reg.example.com", "www.reg.example.com"}, Profile: "default"})
	if got.Leaf.KeyType != "EC P-256" {
		t.Errorf("key type %s", got.Leaf.KeyType)
	}
	if want := []string{"reg.example.com", "www.reg.example.com"}; !slices.Equal(slices.Sorted(slices.Values(got.Leaf.Names)), want) {
		t.Errorf("names %v", got.Leaf.Names)
	}
	if days := got.Leaf.NotAfter.Sub(got.Leaf.NotBefore).Hours() / 24; days < 89 || days > 91 {
		t.Errorf("%v days", days)
	}
	if left := p.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	info, err := i.Accounts.Info(i.Directory)
	if err != nil || !strings.HasPrefix(info.URI, p.URL) || info.Email != "admin@example.com" || info.Directory != i.Directory {
		t.Errorf("got %+v, %v", info, err)
	}
	// The account is used again.
	mustObtain(t, i, Request{Names: []string{"reg.example.com"}})
	if n := p.count("/sign-me-up"); n != 1 {
		t.Errorf("%d registrations", n)
	}
}

// Nobody but the owner may read anything of the account.
func TestAccountIsPrivate(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	mustObtain(t, i, Request{Names: []string{"reg.example.com"}})
	dir := i.Accounts.Path(i.Directory)
	for path, mode := range map[string]os.FileMode{i.Accounts.Dir: 0o700, dir: 0o700, filepath.Join(dir, "key.pem"): 0o600, filepath.Join(dir, "account.json"): 0o600} {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
}

func TestKeyTypes(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	for _, kind := range []string{"ec256", "ec384", "rsa2048", "rsa3072", "rsa4096"} {
		got := mustObtain(t, i, Request{Names: []string{"reg.example.com"}, KeyType: kind})
		if got.Leaf.KeyType != KeyTypeName(kind) {
			t.Errorf("%s: got %s", kind, got.Leaf.KeyType)
		}
	}
	if _, err := i.Obtain(t.Context(), Request{Names: []string{"reg.example.com"}, KeyType: "dsa"}); err == nil {
		t.Error("an unknown key type was taken")
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	got := mustObtain(t, i, Request{Names: []string{"127.0.0.1", "reg.example.com"}, Profile: "shortlived"})
	if hours := got.Leaf.NotAfter.Sub(got.Leaf.NotBefore).Hours(); hours < 159 || hours > 161 {
		t.Errorf("%v hours", hours)
	}
	if !slices.Contains(got.Leaf.Names, "127.0.0.1") || got.Leaf.Subject != "" {
		t.Errorf("names %v, subject %q", got.Leaf.Names, got.Leaf.Subject)
	}
	// An IPv6 address gets as far as the CA's look at its port 80, where nobody is.
	refused(t, i, Request{Names: []string{"::1"}, Profile: "shortlived"}, Validation)
	e := refused(t, i, Request{Names: []string{"reg.example.com"}, Profile: "golden"}, Rejected)
	if e.Type != "invalidProfile" {
		t.Errorf("got %q", e.Type)
	}
	dir, err := i.Describe(t.Context())
	if err != nil || dir.Profiles["shortlived"] == "" || dir.Terms == "" || !slices.Equal(dir.Identities, []string{"pebble.test"}) {
		t.Errorf("got %+v, %v", dir, err)
	}
}

func TestPreferredChain(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{chains: 2})
	i := p.issuer(t)
	got := mustObtain(t, i, Request{Names: []string{"reg.example.com"}})
	chain, err := parseChain(got.Pair.Fullchain)
	if err != nil {
		t.Fatal(err)
	}
	first := chain[len(chain)-1].Issuer.CommonName
	got = mustObtain(t, i, Request{Names: []string{"reg.example.com"}, PreferredChain: first})
	if len(got.Warnings) > 0 {
		t.Errorf("got %v", got.Warnings)
	}
	got = mustObtain(t, i, Request{Names: []string{"reg.example.com"}, PreferredChain: "No Such Root"})
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "No Such Root") {
		t.Errorf("got %v", got.Warnings)
	}
}

func TestTermsHaveToBeAgreedTo(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	i.AgreeTOS = false
	e := refused(t, i, Request{Names: []string{"reg.example.com"}}, Terms)
	if e.TermsAt == "" || p.count("/sign-me-up") != 0 {
		t.Errorf("terms at %q, %d registrations", e.TermsAt, p.count("/sign-me-up"))
	}
	if _, err := os.Stat(i.Accounts.Dir); !os.IsNotExist(err) {
		t.Errorf("an account was begun: %v", err)
	}
}

func TestExternalAccount(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{strictEAB: true})
	const hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	if err := p.db.AddExternalAccountKeyByID("kid-1", hmac); err != nil {
		t.Fatal(err)
	}
	i := p.issuer(t)
	names := []string{"reg.example.com"}
	refused(t, i, Request{Names: names}, Binding)
	i.Binding = &ExternalAccount{"kid-2", hmac}
	refused(t, i, Request{Names: names}, Binding)
	i.Binding = &ExternalAccount{"kid-1", strings.Repeat("A", 64)}
	e := refused(t, i, Request{Names: names}, Binding)
	if strings.Contains(e.Error(), "AAAA") {
		t.Errorf("the key is told: %v", e)
	}
	i.Binding = &ExternalAccount{"kid-1", hmac}
	mustObtain(t, i, Request{Names: names})
	// It was needed once only.
	i.Binding = nil
	mustObtain(t, i, Request{Names: names})
	if info, err := i.Accounts.Info(i.Directory); err != nil || info.KeyID != "kid-1" {
		t.Errorf("got %+v, %v", info, err)
	}
}

func TestValidationFails(t *testing.T) {
	t.Parallel()
	t.Run("wrong DNS", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{})
		p.dns.AddDNSARecord("reg.example.com.", []string{"127.0.0.3"})
		p.dns.AddDNSAAAARecord("reg.example.com.", []string{"::2"})
		e := refused(t, p.issuer(t), Request{Names: []string{"ok.example.com", "reg.example.com"}}, Validation)
		if !strings.HasPrefix(e.Error(), "reg.example.com: ") {
			t.Errorf("the name is not told: %v", e)
		}
		if left := p.left(t); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("servfail", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{})
		p.dns.AddDNSServFailRecord("reg.example.com.")
		refused(t, p.issuer(t), Request{Names: []string{"reg.example.com"}}, Validation)
	})
	t.Run("http-01 blocked", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{httpPort: 1})
		refused(t, p.issuer(t), Request{Names: []string{"reg.example.com"}}, Validation)
	})
	t.Run("another site answers", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{})
		i := p.issuer(t)
		i.Webroot = &Webroot{t.TempDir()}
		refused(t, i, Request{Names: []string{"reg.example.com"}}, Validation)
	})
	t.Run("blocked name", func(t *testing.T) {
		p := newPebble(t, pebbleOptions{})
		if err := p.db.AddBlockedDomain("bad.example"); err != nil {
			t.Fatal(err)
		}
		refused(t, p.issuer(t), Request{Names: []string{"reg.bad.example"}}, Rejected)
	})
}

// A storm of bad nonces is waited out; one without end ends the attempt.
func TestBadNonces(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{nonceReject: "40"})
	mustObtain(t, p.issuer(t), Request{Names: []string{"reg.example.com"}})
	if testing.Short() {
		return
	}
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			answer(w, http.StatusBadRequest, "badNonce", "JWS has an invalid anti-replay nonce")
			return true
		}
		return false
	})
	refused(t, p.issuer(t), Request{Names: []string{"reg.example.com"}}, Unreachable)
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	date := time.Now().Add(50 * time.Hour).UTC().Truncate(time.Second)
	for header, want := range map[string]time.Time{
		"7200": time.Now().Add(2 * time.Hour), date.Format(http.TimeFormat): date, "": {}, "soon": {}, "-5": {},
		"99999999999999": time.Now().Add(longestWait)} {
		p.on(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "order") {
				return false
			}
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			answer(w, http.StatusTooManyRequests, "rateLimited", "too many certificates (5) already issued for this exact set of identifiers")
			return true
		})
		e := refused(t, i, Request{Names: []string{"reg.example.com"}}, RateLimited)
		if d := e.RetryAt.Sub(want).Abs(); d > time.Minute {
			t.Errorf("Retry-After %q: got %v, want %v", header, e.RetryAt, want)
		}
	}
}

func TestServerInTrouble(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "600")
		http.Error(w, "<html>maintenance\x1b[31m</html>", http.StatusServiceUnavailable)
		return true
	})
	e := refused(t, i, Request{Names: []string{"reg.example.com"}}, Unreachable)
	if e.Status != http.StatusServiceUnavailable || time.Until(e.RetryAt) < 9*time.Minute {
		t.Errorf("got %+v", e)
	}
	if _, err := i.Describe(t.Context()); err == nil {
		t.Error("described")
	}
	p.Close()
	refused(t, i, Request{Names: []string{"reg.example.com"}}, Unreachable)
	i.Roots = nil
	q := newPebble(t, pebbleOptions{})
	i.Directory = q.URL + "/dir"
	if e := refused(t, i, Request{Names: []string{"reg.example.com"}}, Unreachable); !strings.Contains(e.Error(), "certificate") {
		t.Errorf("a foreign CA is not told: %v", e)
	}
	if _, err := i.Obtain(t.Context(), oneName); !strings.Contains(advice.Of(err), "acme.ca") {
		t.Errorf("no way out is told: %q", advice.Of(err))
	}
}

func TestAnswersWithoutEnd(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"newOrder":"`))
		for range 4 {
			w.Write(slices.Repeat([]byte("x"), maxAnswer))
		}
		return true
	})
	if e := refused(t, p.issuer(t), Request{Names: []string{"reg.example.com"}}, Unreachable); len(e.Error()) > 1000 {
		t.Errorf("%d characters", len(e.Error()))
	}
}

func TestClockApart(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	for _, off := range []time.Duration{-3 * time.Hour, 26 * time.Hour} {
		i := p.issuer(t)
		i.Now = func() time.Time { return time.Now().Add(off) }
		refused(t, i, Request{Names: []string{"reg.example.com"}}, Clock)
		if p.count("/order") > 0 {
			t.Fatal("a certificate was ordered")
		}
	}
	i := p.issuer(t)
	i.Now = func() time.Time { return time.Now().Add(5 * time.Minute) }
	mustObtain(t, i, Request{Names: []string{"reg.example.com"}})
}

// What the CA says is one thing, what it sends another.
func TestLooksAtWhatCame(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{profiles: map[string]ca.Profile{"default": {ValidityPeriod: 1}}})
	i := p.issuer(t)
	i.Now = func() time.Time { return time.Now().Add(30 * time.Minute) }
	got, err := i.Obtain(t.Context(), Request{Names: []string{"reg.example.com"}, KeyType: "ec256"})
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Unexpected || !strings.Contains(err.Error(), "expired") {
		t.Fatalf("got %v, %v", got, err)
	}
}

// Cancelled in the middle of a validation it ends soon and cleans up.
func TestCancelled(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "chalZ") {
			if len(p.leftNames()) != 1 {
				t.Errorf("there is no answer to the challenge")
			}
			cancel()
		}
		return false
	})
	began := time.Now()
	_, err := p.issuer(t).Obtain(ctx, Request{Names: []string{"reg.example.com"}, KeyType: "ec256"})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(began); d > grace+20*time.Second {
		t.Errorf("took %s", d)
	}
	if left := p.left(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func (p *pebble) leftNames() []os.DirEntry {
	entries, _ := os.ReadDir(Webroot{p.web}.challengeDir())
	return entries
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	p.on(func(_ http.ResponseWriter, r *http.Request) bool {
		if ua := r.Header.Get("User-Agent"); ua != "regctl/test" {
			t.Errorf("User-Agent %q", ua)
		}
		return false
	})
	mustObtain(t, p.issuer(t), Request{Names: []string{"reg.example.com"}})
}
