package users

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func at(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestPlus(t *testing.T) {
	for name, tc := range map[string]struct{ have, more, want Rights }{
		"nothing to nothing": {},
		"a pattern":          {Rights{Pull: []string{"a"}}, Rights{Pull: []string{"b"}, Push: []string{"c"}}, Rights{Pull: []string{"a", "b"}, Push: []string{"c"}}},
		"what is there":      {Rights{Pull: []string{"a", "b"}}, Rights{Pull: []string{"b", "a", "b"}}, Rights{Pull: []string{"a", "b"}}},
		"admin":              {Rights{Push: []string{"a"}}, Rights{Admin: true}, Rights{Push: []string{"a"}, Admin: true}},
		"admin stays":        {Rights{Admin: true}, Rights{Delete: []string{"a"}}, Rights{Delete: []string{"a"}, Admin: true}},
		"an expiry":          {Rights{}, Rights{Expires: at("2026-12-01T00:00:00Z")}, Rights{Expires: at("2026-12-01T00:00:00Z")}},
		"an expiry stays":    {Rights{Expires: at("2026-12-01T00:00:00Z")}, Rights{Admin: true}, Rights{Admin: true, Expires: at("2026-12-01T00:00:00Z")}},
	} {
		before := tc.have.String()
		if got := tc.have.Plus(tc.more); !got.Equal(tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if tc.have.String() != before {
			t.Errorf("%s: the rights themselves became %s", name, tc.have)
		}
	}
}

// Two results of one value must not share the memory of a list.
func TestPlusAndMinusShareNothing(t *testing.T) {
	base := Rights{Pull: append(make([]string, 0, 10), "a", "b")}
	one, two := base.Plus(Rights{Pull: []string{"one"}}), base.Plus(Rights{Pull: []string{"two"}})
	less, err := base.Minus(Rights{Pull: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if one.Pull[2] != "one" || two.Pull[2] != "two" || less.Pull[0] != "b" || base.Pull[0] != "a" || base.Pull[1] != "b" {
		t.Errorf("%v, %v, %v, %v", one, two, less, base)
	}
}

func TestMinus(t *testing.T) {
	has := Rights{Pull: []string{"**"}, Push: []string{"a", "team/**", "a"}, Expires: at("2026-12-01T00:00:00Z")}
	for name, tc := range map[string]struct {
		less Rights
		want string // the rights after it, or the error
		ok   bool
	}{
		"nothing":       {Rights{}, "pull **, push a team/** a, until 2026-12-01T00:00:00Z", true},
		"a pattern":     {Rights{Push: []string{"team/**"}}, "pull **, push a a, until 2026-12-01T00:00:00Z", true},
		"each time":     {Rights{Push: []string{"a"}}, "pull **, push team/**, until 2026-12-01T00:00:00Z", true},
		"asked twice":   {Rights{Push: []string{"a", "a"}}, "pull **, push team/**, until 2026-12-01T00:00:00Z", true},
		"everything":    {Rights{Pull: []string{"**"}, Push: []string{"a", "team/**"}}, "no rights, until 2026-12-01T00:00:00Z", true},
		"within a wide": {Rights{Push: []string{"team/app"}}, `has no right "push team/app" to take away, but: pull **, push a team/** a, until 2026-12-01T00:00:00Z`, false},
		"another verb":  {Rights{Delete: []string{"a"}}, `has no right "delete a" to take away, but: pull **, push a team/** a, until 2026-12-01T00:00:00Z`, false},
		"no admin":      {Rights{Admin: true}, `has no right "admin" to take away, but: pull **, push a team/** a, until 2026-12-01T00:00:00Z`, false},
		"half of it":    {Rights{Pull: []string{"**", "x"}}, `has no right "pull x" to take away, but: pull **, push a team/** a, until 2026-12-01T00:00:00Z`, false},
	} {
		got, err := has.Minus(tc.less)
		if tc.ok && (err != nil || got.String() != tc.want) {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
		if _, is := errors.AsType[*NotGrantedError](err); !tc.ok && (!is || err.Error() != tc.want || !got.Equal(has)) {
			t.Errorf("%s: %s, %v; want the error %s", name, got, err, tc.want)
		}
	}
	admin := Rights{Admin: true, Pull: []string{"a"}}
	if got, err := admin.Minus(Rights{Admin: true}); err != nil || got.String() != "pull a" {
		t.Errorf("admin: %s, %v", got, err)
	}
}

func TestExpired(t *testing.T) {
	end := *at("2026-12-01T00:00:00Z")
	r := Rights{Expires: &end}
	for now, want := range map[time.Time]bool{end.Add(-time.Second): false, end: true, end.Add(time.Second): true} {
		if got := r.Expired(now); got != want {
			t.Errorf("at %v: %v", now, got)
		}
	}
	if (Rights{}).Expired(end) {
		t.Error("who has no expiry has expired")
	}
}

func TestCanPush(t *testing.T) {
	for repository, want := range map[string]bool{"team/app": true, "a": true, "b": false, "team": false} {
		if got := (Rights{Pull: []string{"**"}, Push: []string{"a", "team/**"}}).CanPush(repository); got != want {
			t.Errorf("%s: %v", repository, got)
		}
	}
	if !(Rights{Admin: true}).CanPush("x/y") || (Rights{}).CanPush("x") {
		t.Error("admin or nobody")
	}
}

func TestCheckRights(t *testing.T) {
	for name, tc := range map[string]struct {
		r    Rights
		want string
	}{
		"none":       {Rights{}, ""},
		"default":    {DefaultRights(), ""},
		"pattern":    {Rights{Delete: []string{"a", "B"}}, `pattern "B"`},
		"epoch":      {Rights{Expires: at("1970-01-01T00:00:00Z")}, "expiry is not between"},
		"year 10000": {Rights{Expires: func() *time.Time { t := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC); return &t }()}, "expiry is not between"},
	} {
		err := tc.r.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRightsString(t *testing.T) {
	for want, r := range map[string]Rights{
		"no rights": {}, "admin": {Admin: true}, "pull **, push **": DefaultRights(),
		"admin, delete a b, until 2026-12-01T00:00:00Z": {Admin: true, Delete: []string{"a", "b"}, Expires: at("2026-12-01T01:00:00+01:00")},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if r.None() != (want == "no rights") {
			t.Errorf("%q: None() = %v", want, r.None())
		}
	}
}
