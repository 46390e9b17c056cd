package users

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const (
	hashA = "$2y$05$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	hashB = "$2a$10$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
	hashN = "$2y$04$NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN"
)

func TestUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []User
	}{
		"empty":           {"", nil},
		"comments only":   {"# a:b\n\n  # c:d\n", nil},
		"two":             {"a:" + hashA + "\nb:" + hashB + "\n", []User{{"a", Bcrypt, 5, 1}, {"b", Bcrypt, 10, 2}}},
		"no final break":  {"a:" + hashA, []User{{"a", Bcrypt, 5, 1}}},
		"crlf":            {"# x\r\na:" + hashA + "\r\n", []User{{"a", Bcrypt, 5, 2}}},
		"white space":     {" \ta:" + hashA + " \n", []User{{"a", Bcrypt, 5, 1}}},
		"last one wins":   {"a:" + hashA + "\nb:" + hashA + "\na:" + hashB + "\n", []User{{"b", Bcrypt, 5, 2}, {"a", Bcrypt, 10, 3}}},
		"schemes":         {"a:$apr1$x$y\nb:{SHA}x\nc:plain\nd:rqXexS6ZhobKA\n", []User{{"a", APR1, 0, 1}, {"b", SHA1, 0, 2}, {"c", Unknown, 0, 3}, {"d", Crypt, 0, 4}}},
		"broken between":  {"a:" + hashA + "\nbroken\nb:" + hashB + "\n", []User{{"a", Bcrypt, 5, 1}, {"b", Bcrypt, 10, 3}}},
		"odd names":       {":" + hashA + "\nA B:" + hashA + "\n", []User{{"", Bcrypt, 5, 1}, {"A B", Bcrypt, 5, 2}}},
		"nul and old mac": {"\x00\x00\x00\na:" + hashA + "\rb:x\n", []User{{"a", Bcrypt, 5, 2}}},
	} {
		f := Parse([]byte(tc.in))
		if got := f.Users(); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: Users() = %v, want %v", name, got, tc.want)
		}
		if got := string(f.Bytes()); got != tc.in {
			t.Errorf("%s: Bytes() = %q, want %q", name, got, tc.in)
		}
		for _, u := range tc.want {
			if got, ok := f.Lookup(u.Name); !ok || got != u {
				t.Errorf("%s: Lookup(%q) = %v, %v", name, u.Name, got, ok)
			}
		}
		if _, ok := f.Lookup("nobody"); ok {
			t.Errorf("%s: found nobody", name)
		}
	}
}

func TestSet(t *testing.T) {
	for name, tc := range map[string]struct{ in, user, want string }{
		"into an empty file":   {"", "n", "n:H\n"},
		"at the end":           {"# c\na:A\n", "n", "# c\na:A\nn:H\n"},
		"no final break":       {"a:A", "n", "a:A\nn:H\n"},
		"broken last line":     {"a:A\nbroken", "n", "a:A\nbroken\nn:H\n"},
		"crlf":                 {"a:A\r\nb:B\r\n", "n", "a:A\r\nb:B\r\nn:H\r\n"},
		"crlf, no final break": {"a:A\r\nb:B", "n", "a:A\r\nb:B\r\nn:H\r\n"},
		"cr at the end":        {"a:A\r", "n", "a:A\r\nn:H\n"},
		"crlf, half of one":    {"a:A\r\nb:B\r", "n", "a:A\r\nb:B\r\nn:H\r\n"},
		"in its place":         {"# c\na:A\n\nb:B\n", "a", "# c\na:H\n\nb:B\n"},
		"in its place, crlf":   {"a:A\r\nb:B\r\n", "a", "a:H\r\nb:B\r\n"},
		"last, no final break": {"a:A\nb:B", "b", "a:A\nb:H"},
		"twice":                {"a:A\n# c\na:B\nb:B\n", "a", "# c\na:H\nb:B\n"},
		"similar names":        {"aa:A\n# a:A\n", "a", "aa:A\n# a:A\na:H\n"},
		"a name from before":   {"Zoé:A\n", "Zoé", "Zoé:H\n"},
		"another scheme":       {"a:$apr1$x$y\n", "a", "a:H\n"},
		"white space around":   {"  a:A  \nb:B\n", "a", "a:H\nb:B\n"},
	} {
		f := Parse([]byte(tc.in))
		if err := f.Set(tc.user, hashN); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.ReplaceAll(string(f.Bytes()), hashN, "H"); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// Whatever gets in through a name or a hash must not become a line of its own.
func TestSetRefuses(t *testing.T) {
	for _, tc := range []struct{ user, hash, what string }{
		{"a:b", hashN, "user name"},
		{"a\nb", hashN, "user name"},
		{"#a", hashN, "user name"},
		{"", hashN, "user name"},
		{"A", hashN, "user name"},
		{"n", hashN + "\nroot:" + hashN, "hash"},
		{"n", hashN + " ", "hash"},
		{"n", "$apr1$x$y", "hash"},
		{"n", "", "hash"},
		{"a", "", "hash"},
	} {
		const in = "a:x\n"
		f := Parse([]byte(in))
		err := f.Set(tc.user, tc.hash)
		if input, ok := errors.AsType[*InputError](err); !ok || input.What != tc.what {
			t.Errorf("Set(%q, %q) = %v, want an InputError about the %s", tc.user, tc.hash, err, tc.what)
		}
		if got := string(f.Bytes()); got != in {
			t.Errorf("Set(%q, %q) changed the file to %q", tc.user, tc.hash, got)
		}
	}
}

func TestRemove(t *testing.T) {
	for name, tc := range map[string]struct {
		in, user, want string
		ok             bool
	}{
		"the only one":    {"a:A\n", "a", "", true},
		"all of the name": {"a:A\nb:B\n a:B\nbroken", "a", "b:B\nbroken", true},
		"absent":          {"a:A\n# b:B\n", "b", "a:A\n# b:B\n", false},
		"no final break":  {"a:A\nb:B", "b", "a:A\n", true},
		"similar names":   {"aa:A\na.:A\n", "a", "aa:A\na.:A\n", false},
		"no name":         {":A\n# c\n\nb:B\n", "", "# c\n\nb:B\n", true},
		"empty file":      {"", "a", "", false},
	} {
		f := Parse([]byte(tc.in))
		if ok := f.Remove(tc.user); ok != tc.ok {
			t.Errorf("%s: Remove = %v", name, ok)
		}
		if got := string(f.Bytes()); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestParseKeepsNothingOfItsInput(t *testing.T) {
	data := []byte("a:" + hashA + "\n")
	f := Parse(data)
	clear(data)
	if _, ok := f.Lookup("a"); !ok {
		t.Error("a change of the input reached the file")
	}
}

func TestLongLine(t *testing.T) {
	in := "a:" + hashA + "\n" + strings.Repeat("x", 1<<20) + "\nb:" + hashB + "\n"
	f := Parse([]byte(in))
	if n := len(f.Users()); n != 2 {
		t.Errorf("%d users, want 2", n)
	}
	if err := f.Set("n", hashN); err != nil {
		t.Fatal(err)
	}
	if got := string(f.Bytes()); got != in+"n:"+hashN+"\n" {
		t.Error("the long line was not kept")
	}
}
