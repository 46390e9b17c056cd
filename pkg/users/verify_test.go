package users

import (
	"errors"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

func TestVerify(t *testing.T) {
	long := strings.Repeat("x", MaxPassword)
	s := storeWith(t, strings.Join([]string{
		"a:" + mustHash(t, "first"), "a:" + mustHash(t, "last"), "note:" + mustHash(t, "secret") + ":a note",
		"long:" + mustHash(t, long), "md5:$apr1$hRY7OJWH$km1EYH.UIRjp6CzfZQz/g1", "plain:secret",
		"slow:$2y$31$" + hashA[7:], "cut:" + hashA[:50], "Zoé:" + mustHash(t, "secret"),
	}, "\n"))
	for _, tc := range []struct {
		name, password string
		ok             bool
		unusable       string // what the UnusableError says
	}{
		{"a", "last", true, ""},
		{"a", "first", false, ""},
		{"a", "", false, ""},
		{"note", "secret", true, ""},
		{"Zoé", "secret", true, ""},
		{"long", long, true, ""},
		{"long", long + "more", true, ""}, // the registry looks no further either
		{"long", long[1:], false, ""},
		{"nobody", "secret", false, ""},
		{"", "", false, ""},
		{"md5", "secret", false, `user "md5" in line 5 has a hash of type apr1, and the registry can use bcrypt only`},
		{"plain", "secret", false, `user "plain" in line 6 has no hash that the registry can use`},
		{"cut", "x", false, `user "cut" in line 8 has no hash that the registry can use`},
		{"slow", "x", false, `user "slow" has a bcrypt hash of cost 31: the registry would take about 34 hours to check it`},
	} {
		ok, err := s.Verify(tc.name, []byte(tc.password))
		if ok != tc.ok {
			t.Errorf("Verify(%q, %q) = %v", tc.name, tc.password, ok)
		}
		if tc.unusable == "" {
			if err != nil {
				t.Errorf("Verify(%q, %q): %v", tc.name, tc.password, err)
			}
			continue
		}
		if u, is := errors.AsType[*UnusableError](err); !is || u.User.Name != tc.name || err.Error() != tc.unusable {
			t.Errorf("Verify(%q): %v, want %s", tc.name, err, tc.unusable)
		}
		if got := advice.Of(err); got != "regctl user passwd "+tc.name {
			t.Errorf("Verify(%q): hint %q", tc.name, got)
		}
	}
}

func TestUsualCost(t *testing.T) {
	at := func(costs ...string) *File {
		var b strings.Builder
		for i, c := range costs {
			b.WriteString(string(rune('a'+i)) + ":$2y$" + c + "$" + hashA[7:] + "\n")
		}
		return Parse([]byte(b.String() + "md5:$apr1$x$y\n"))
	}
	for _, tc := range []struct {
		file *File
		want int
	}{
		{&File{}, MinHumanCost},
		{at(), MinHumanCost},
		{at("05"), 5},
		{at("12", "05", "05"), 5},
		{at("05", "10"), 10},
		{at("10", "05"), 10},
		{at("12", "05", "12", "05"), 12},
		{at("31", "31", "04"), 4},
	} {
		if got := tc.file.usualCost(); got != tc.want {
			t.Errorf("usualCost of %q = %d, want %d", tc.file.Bytes(), got, tc.want)
		}
	}
}
