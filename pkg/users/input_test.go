package users

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "ci": true, "team-1.bot_2": true, "0": true, ".": true, "..": true, "-x": true, ".x": true, "_": true,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
		"": false, "Alice": false, "a b": false, "a:b": false, "#a": false, "a\n": false, "a\x00": false, "a/b": false,
		"é": false, "a@b": false, "\xff": false, "\ufeffa": false, "a*": false, "~": false,
	} {
		err := CheckName(name)
		if (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v, want ok: %v", name, err, ok)
		}
		var input *InputError
		if err != nil && (!errors.As(err, &input) || input.What != "user name") {
			t.Errorf("CheckName(%q) = %#v, want an InputError about the name", name, err)
		}
	}
}

func TestCheckNameSaysWhich(t *testing.T) {
	for name, want := range map[string]string{
		"Alice":                 `user name has 'A' in it, only a-z, 0-9, '.', '_' and '-' are possible`,
		"zoé":                   `user name has 'é' in it, only a-z, 0-9, '.', '_' and '-' are possible`,
		"":                      `user name is empty`,
		strings.Repeat("a", 70): `user name has 70 bytes, at most 64 are possible`,
	} {
		if err := CheckName(name); err == nil || err.Error() != want {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, want)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for password, want := range map[string]string{
		"x":                        "",
		"with : colon, 'quotes' é": "",
		" \t":                      "",
		strings.Repeat("x", 72):    "",
		strings.Repeat("é", 36):    "",
		"":                         "password is empty",
		strings.Repeat("x", 73):    "password has 73 bytes, at most 72 are possible",
		strings.Repeat("é", 37):    "password has 74 bytes, at most 72 are possible",
		"a\x00b":                   "password has a NUL byte in it",
		"secret\n":                 "password has a line break in it",
		"sec\rret":                 "password has a line break in it",
	} {
		err := CheckPassword([]byte(password))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckPassword(%q) = %q, want %q", password, got, want)
		}
		if err != nil {
			if _, ok := errors.AsType[*InputError](err); !ok {
				t.Errorf("CheckPassword(%q) = %T, want an InputError", password, err)
			}
		}
	}
}

func TestGenerate(t *testing.T) {
	const n = 20_000
	seen := map[string]bool{}
	count := map[rune]int{}
	for range n {
		p := Generate()
		if err := CheckPassword([]byte(p)); err != nil {
			t.Fatal(err)
		}
		if bits := float64(len(p)) * math.Log2(float64(len(alphabet))); bits < 128 {
			t.Fatalf("a password of %d characters has %.1f bits, want 128", len(p), bits)
		}
		if seen[p] {
			t.Fatal("the same password twice")
		}
		seen[p] = true
		for _, c := range p {
			count[c]++
		}
	}
	// One part in twenty is six standard deviations here; taking a byte modulo
	// 31 without drawing again would be off by more for the first letters.
	mean := float64(n*generatedLength) / float64(len(alphabet))
	for _, c := range alphabet {
		if got := float64(count[c]); math.Abs(got-mean) > mean/20 {
			t.Errorf("%q came %v times, want about %v", c, got, mean)
		}
		delete(count, c)
	}
	if len(count) > 0 {
		t.Errorf("characters outside the alphabet: %v", count)
	}
	if strings.ContainsAny(alphabet, "01oilOIL:'\"") {
		t.Error("the alphabet has look-alikes")
	}
}
