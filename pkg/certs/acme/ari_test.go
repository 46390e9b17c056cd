package acme

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRenewalInfo(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	got := mustObtain(t, i, oneName)
	w, err := i.RenewalInfo(t.Context(), got.Pair)
	if err != nil || !w.Start.After(got.Leaf.NotBefore) || !w.End.Before(got.Leaf.NotAfter) || w.RetryAfter != 6*time.Hour {
		t.Fatalf("got %+v, %v", w, err)
	}
	window := func(start, end time.Time) string {
		return fmt.Sprintf(`{"suggestedWindow":{"start":%q,"end":%q},"explanationURL":"https://ca.example/why\u001b[2J"}`,
			start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	past := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	p.setRenewalInfo(t, got.Pair, window(past, past.Add(time.Hour)))
	if w, err = i.RenewalInfo(t.Context(), got.Pair); err != nil || !w.Start.Equal(past) || strings.Contains(w.Explanation, "\x1b") {
		t.Errorf("got %+v, %v", w, err)
	}
	for name, answer := range map[string]string{
		"empty object":  `{}`,
		"null":          `{"suggestedWindow":null}`,
		"zero":          `{"suggestedWindow":{"start":"0001-01-01T00:00:00Z","end":"0001-01-01T00:00:00Z"}}`,
		"no end":        `{"suggestedWindow":{"start":"2026-11-24T00:00:00Z"}}`,
		"end at start":  window(past, past),
		"end first":     window(past, past.Add(-time.Hour)),
		"no time":       `{"suggestedWindow":{"start":"tomorrow","end":"later"}}`,
		"numbers":       `{"suggestedWindow":{"start":1,"end":2}}`,
		"an error":      `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"oops","status":500}`,
		"cut short":     `{"suggestedWindow":{"start":"2026-11-24T00:0`,
		"not JSON":      `<html>`,
		"nothing":       ` `,
		"a list":        `[]`,
		"a huge answer": `{"x":"` + strings.Repeat("x", maxAnswer) + `"}`,
	} {
		p.setRenewalInfo(t, got.Pair, answer)
		w, err := i.RenewalInfo(t.Context(), got.Pair)
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Unexpected || w != (Window{}) {
			t.Errorf("%s: got %+v, %v", name, w, err)
		}
	}
}

func TestRenewalInfoRefused(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	got := mustObtain(t, i, oneName)
	for status, kind := range map[int]Kind{404: Refused, 500: Unreachable, 503: Unreachable, 429: RateLimited, 400: Refused, 204: Refused} {
		p.on(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "renewalInfo") && !strings.Contains(r.URL.Path, "renewal-info") {
				return false
			}
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(status)
			fmt.Fprint(w, `{}`)
			return true
		})
		w, err := i.RenewalInfo(t.Context(), got.Pair)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != kind || e.Status != status || w != (Window{}) {
			t.Errorf("%d: got %+v, %v", status, w, err)
		}
		if status >= 400 && time.Until(e.RetryAt) < 50*time.Minute {
			t.Errorf("%d: to be asked again at %v", status, e.RetryAt)
		}
	}
}

func TestNoRenewalInfo(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	got := mustObtain(t, i, oneName)
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		fmt.Fprintf(w, `{"newOrder":"%s/order","newAccount":"%s/acct"}`, p.URL, p.URL)
		return true
	})
	if _, err := i.RenewalInfo(t.Context(), got.Pair); !errors.Is(err, ErrNoRenewalInfo) {
		t.Errorf("got %v", err)
	}
}

// A directory cannot send us to plain HTTP, or elsewhere without end.
func TestAddressesOfTheDirectory(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	got := mustObtain(t, i, oneName)
	var plain int
	for _, address := range []string{"http://127.0.0.1:1/ari", "file:///etc/passwd", "::", "https://127.0.0.1:1/\x7f"} {
		p.on(func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `{"newOrder":"x","renewalInfo":%q}`, address)
			return true
		})
		if _, err := i.RenewalInfo(t.Context(), got.Pair); err == nil {
			t.Errorf("%s was asked", address)
		}
	}
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		plain++
		http.Redirect(w, r, "/again", http.StatusFound)
		return true
	})
	if _, err := i.RenewalInfo(t.Context(), got.Pair); err == nil || plain > 5 {
		t.Errorf("%d redirects, %v", plain, err)
	}
}

func TestReplaces(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	first := mustObtain(t, i, oneName)
	id, err := CertID(first.Pair)
	if err != nil {
		t.Fatal(err)
	}
	next := oneName
	next.Replaces = id
	if got := mustObtain(t, i, next); !got.Replaces {
		t.Error("not taken as a replacement")
	}
	// 409: it has a successor already.
	got := mustObtain(t, i, next)
	if got.Leaf.Serial == first.Leaf.Serial || got.Replaces {
		t.Error("nothing new, or taken as a replacement once more")
	}
	// 403: another account asks.
	other := p.issuer(t)
	if next.Replaces, err = CertID(got.Pair); err != nil {
		t.Fatal(err)
	}
	if got := mustObtain(t, other, next); got.Replaces {
		t.Error("told to be a replacement")
	}
	// 500: the CA has never seen it.
	q := newPebble(t, pebbleOptions{})
	if got := mustObtain(t, q.issuer(t), next); got.Replaces {
		t.Error("told to be a replacement")
	}
	// It is tried once more and not for ever.
	p.on(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "order") {
			return false
		}
		answer(w, http.StatusForbidden, "unauthorized", "no")
		return true
	})
	before := p.count("order")
	refused(t, i, next, Refused)
	if n := p.count("order") - before; n != 2 {
		t.Errorf("%d orders", n)
	}
}

func TestCertID(t *testing.T) {
	if _, err := CertID(pairOf("")); err == nil {
		t.Error("an identifier of nothing")
	}
}
