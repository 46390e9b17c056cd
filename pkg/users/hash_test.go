package users

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func mustHash(t *testing.T, password string) string {
	t.Helper()
	h, err := Hash([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHash(t *testing.T) {
	for _, tc := range []struct {
		password string
		cost     int
		what     string // of the InputError, "" when it is fine
	}{
		{"secret", 4, ""},
		{"secret", GeneratedCost, ""},
		{strings.Repeat("x", 72), MinHumanCost, ""},
		{"secret", 3, "cost"},
		{"secret", 0, "cost"},
		{"secret", MaxCost + 1, "cost"},
		{"", MinHumanCost, "password"},
		{strings.Repeat("x", 73), MinHumanCost, "password"},
		{"a\x00", MinHumanCost, "password"},
		{"a\n", MinHumanCost, "password"},
	} {
		h, err := Hash([]byte(tc.password), tc.cost)
		if tc.what != "" {
			if input, ok := errors.AsType[*InputError](err); !ok || input.What != tc.what || h != "" {
				t.Errorf("Hash(%q, %d) = %q, %v, want an InputError about the %s", tc.password, tc.cost, h, err, tc.what)
			}
			continue
		}
		if err != nil {
			t.Errorf("Hash(%q, %d): %v", tc.password, tc.cost, err)
			continue
		}
		if len(h) != 60 || !strings.HasPrefix(h, "$2y$") {
			t.Errorf("Hash(%q, %d) is not as htpasswd -B writes it", tc.password, tc.cost)
		}
		if s, cost, junk := scheme(h); s != Bcrypt || cost != tc.cost || junk != "" {
			t.Errorf("scheme of it = %q, %d, %q", s, cost, junk)
		}
		if ok, err := compare(h, []byte(tc.password)); !ok || err != nil {
			t.Errorf("its password does not fit: %v", err)
		}
		if ok, err := compare(h, []byte("other")); ok || err != nil {
			t.Errorf("another password: %v, %v", ok, err)
		}
	}
}

func TestHashIsSalted(t *testing.T) {
	one, other := mustHash(t, "secret"), mustHash(t, "secret")
	if one == other {
		t.Error("the same hash twice")
	}
}

func TestScheme(t *testing.T) {
	const tail = "abcdefghijklmnopqrstuuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // 53
	for hash, want := range map[string]struct {
		scheme string
		cost   int
		junk   string
	}{
		"$2y$05$" + tail:                        {Bcrypt, 5, ""},
		"$2a$10$" + tail:                        {Bcrypt, 10, ""},
		"$2b$31$" + tail:                        {Bcrypt, 31, ""},
		"$2y$05$" + tail + ":note":              {Bcrypt, 5, ":note"},
		"$2y$05$" + tail[1:]:                    {Unknown, 0, ""},
		"$2y$05$!" + tail[1:]:                   {Unknown, 0, ""},
		"$2y$03$" + tail:                        {Unknown, 0, ""},
		"$2y$32$" + tail:                        {Unknown, 0, ""},
		"$2y$+5$" + tail:                        {Unknown, 0, ""},
		"$2z$05$" + tail:                        {Unknown, 0, ""},
		"$2y$05." + tail:                        {Unknown, 0, ""},
		" $2y$05$" + tail:                       {Unknown, 0, ""},
		"$2":                                    {Unknown, 0, ""},
		"$apr1$hRY7OJWH$km1EYH.UIRjp6CzfZQz/g1": {APR1, 0, ""},
		"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=":     {SHA1, 0, ""},
		"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/":    {Crypt, 0, ""},
		"$6$salt$abc":                           {Crypt, 0, ""},
		"rqXexS6ZhobKA":                         {Crypt, 0, ""},
		"plain":                                 {Unknown, 0, ""},
		"$x":                                    {Unknown, 0, ""},
		"":                                      {Unknown, 0, ""},
	} {
		s, cost, junk := scheme(hash)
		if s != want.scheme || cost != want.cost || junk != want.junk {
			t.Errorf("scheme(%q) = %q, %d, %q, want %v", hash, s, cost, junk, want)
		}
		// The registry uses this library; what is called bcrypt here it must take.
		if _, err := bcrypt.Cost([]byte(hash)); s == Bcrypt && err != nil {
			t.Errorf("%q: the registry's library does not take it: %v", hash, err)
		}
	}
}

// A dummy that the library refuses would answer at once and tell who exists.
func TestDummyIsWorkedThrough(t *testing.T) {
	for _, cost := range []int{4, 5, 10} {
		h := dummy(cost)
		if got, err := bcrypt.Cost([]byte(h)); got != cost || err != nil {
			t.Errorf("cost of dummy(%d) = %d, %v", cost, got, err)
		}
		if err := bcrypt.CompareHashAndPassword([]byte(h), []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("dummy(%d) answers %v, want a mismatch", cost, err)
		}
		if err := checkHash(h); err != nil {
			t.Error(err)
		}
	}
}
