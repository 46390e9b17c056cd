package users

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const rightsExample = `{
  "version": 1,
  "users": {
    "admin": {
      "pull": [],
      "push": [],
      "delete": [],
      "admin": true
    },
    "ci-bot": {
      "pull": [
        "team/**"
      ],
      "push": [
        "team/**",
        "a"
      ],
      "delete": [],
      "admin": false,
      "expires": "2026-12-01T00:00:00Z"
    }
  }
}
`

func TestMarshalRights(t *testing.T) {
	f := RightsFile{
		"ci-bot": {Pull: []string{"team/**"}, Push: []string{"team/**", "a"}, Expires: at("2026-12-01T02:00:00+02:00")},
		"admin":  {Admin: true},
	}
	for range 3 {
		if got := string(f.Marshal()); got != rightsExample {
			t.Fatalf("%s\nwant\n%s", got, rightsExample)
		}
	}
	if got := string(RightsFile(nil).Marshal()); got != "{\n  \"version\": 1,\n  \"users\": {}\n}\n" {
		t.Errorf("nobody: %q", got)
	}
}

func TestParseRights(t *testing.T) {
	f, err := ParseRights([]byte(rightsExample))
	if err != nil || string(f.Marshal()) != rightsExample {
		t.Errorf("%v, %v", f, err)
	}
	f, err = ParseRights([]byte("\n{\"users\":{\"a\":{},\"b\":{\"pull\":[\"x\",\"y\"]}},\"version\":1}  "))
	if err != nil || len(f) != 2 || !f["a"].None() || f["b"].String() != "pull x y" {
		t.Errorf("%v, %v", f, err)
	}
}

// users puts one user's rights into a whole file; they are in line 1.
func inFile(rights string) string { return `{"version":1,"users":{"u":` + rights + `}}` }

func TestRightsFaults(t *testing.T) {
	for in, want := range map[string][]string{
		"":                           {"line 1: is no JSON: unexpected end of JSON input"},
		"{\n\"version\":1,\n":        {"line 3: is no JSON: unexpected end of JSON input"},
		"{\n\"version\": 1,}":        {"line 2: is no JSON: invalid character '}' looking for beginning of object key string"},
		`{"version":1,"users":{}} x`: {"line 1: is no JSON: invalid character 'x' after top-level value"},
		"\ufeff" + inFile("{}"):      {"line 1: is no JSON: invalid character 'ï' looking for beginning of value"},
		"{\n\"\xff\":1}":             {"line 2: has bytes that are no UTF-8 text"},
		strings.Repeat("[", 100000):  {"line 1: is no JSON: invalid character '[' exceeded max depth"},
		strings.Repeat("[", 50) + strings.Repeat("]", 50): {"line 1: is nested too deep"},
		"[]":                         {"line 1: is a list, it has to be an object with version and users"},
		"null":                       {"line 1: is null, it has to be an object with version and users"},
		"{}":                         {"line 1: version: is missing; it is 1", "line 1: users: is missing"},
		`{"version":2,"users":{}}`:   {"line 1: version: is 2; this regctl knows version 1"},
		`{"version":1.0,"users":{}}`: {"line 1: version: is 1.0; this regctl knows version 1"},
		`{"version":"1","users":[]}`: {`line 1: version: is "1"; this regctl knows version 1`, "line 1: users: is a list, it has to be an object of users by name"},
		`{"Version":1,"version":1,"users":{},"a b":0}`:                      {`line 1: ["Version"]: is not known; there are version and users`, `line 1: ["a b"]: is not known; there are version and users`},
		"{\"version\":1,\n\"version\":1,\n\"users\":{\"a\":{},\n\"a\":{}}}": {"line 2: version: is there twice", "line 4: users.a: is there twice"},
		`{"version":1,"users":{"Bob":{}}}`:                                  {`line 1: users["Bob"]: user name has 'B' in it, only a-z, 0-9, '.', '_' and '-' are possible`},
		`{"version":1,"users":{"":{}}}`:                                     {`line 1: users[""]: user name is empty`},
		inFile("[]"):                                                        {"line 1: users.u: is a list, it has to be an object"},
		inFile("null"):                                                      {"line 1: users.u: is null, it has to be an object"},
		inFile(`{"pull":["a"],"Pull":["b"],"pulls":[]}`):                    {`line 1: users.u["Pull"]: is not known; there are pull, push, delete, admin and expires`, "line 1: users.u.pulls: is not known; there are pull, push, delete, admin and expires"},
		inFile(`{"pull":["a"],"pull":["**"]}`):                              {"line 1: users.u.pull: is there twice"},
		inFile(`{"pull":"**"}`):                                             {"line 1: users.u.pull: is a text, it has to be a list of patterns"},
		inFile(`{"pull":null}`):                                             {"line 1: users.u.pull: is null, it has to be a list of patterns"},
		inFile("{\"pull\":[\n\"a\",\n\"Team\"],\n\"push\":[1,[]]}"): {
			`line 3: users.u.pull[1]: pattern "Team" has 'T' in it, and repository names are lower case, did you mean "team"`,
			"line 4: users.u.push[0]: is 1, it has to be a pattern in quotes", "line 4: users.u.push[1]: is a list, it has to be a pattern in quotes"},
		inFile(`{"delete":[""]}`):  {`line 1: users.u.delete[0]: pattern is empty; every repository is "**"`},
		inFile(`{"admin":"true"}`): {`line 1: users.u.admin: is "true", it has to be true or false`},
		inFile(`{"admin":1}`):      {"line 1: users.u.admin: is 1, it has to be true or false"},
		inFile(`{"admin":null}`):   {"line 1: users.u.admin: is null, it has to be true or false"},
		inFile(`{"expires":null}`): {`line 1: users.u.expires: is null, it has to be a time such as "2026-12-01T00:00:00Z"`},
		inFile(`{"expires":0}`):    {`line 1: users.u.expires: is 0, it has to be a time such as "2026-12-01T00:00:00Z"`},
	} {
		f, err := ParseRights([]byte(in))
		invalid, ok := errors.AsType[*RightsError](err)
		if !ok || f != nil {
			t.Errorf("%.60q: %v, %v", in, f, err)
			continue
		}
		var got []string
		for _, fault := range invalid.Faults {
			got = append(got, fault.String())
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%.60q:\n%s\nwant\n%s", in, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, when := range []string{"", "never", "2026-12-01", "2026-12-01T00:00:00", "2026-12-01T00:00:00+01:00", "2026-12-01T00:00:00.5Z",
		"2026-12-01T00:00:00,5Z", "2026-02-30T00:00:00Z", "1970-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-12-01t00:00:00z", " 2026-12-01T00:00:00Z"} {
		if f, err := ParseRights([]byte(inFile(fmt.Sprintf(`{"expires":%q}`, when)))); err == nil {
			t.Errorf("expires %q: %v", when, f)
		}
	}
}

func TestRightsError(t *testing.T) {
	one := &RightsError{"auth/rights.json", []RightsFault{{2, "users.a", "is odd"}}}
	if got := one.Error(); got != "auth/rights.json: line 2: users.a: is odd" || one.Detail() != "" {
		t.Errorf("%q, %q", got, one.Detail())
	}
	many := &RightsError{Path: "auth/rights.json"}
	for i := range 60 {
		many.Faults = append(many.Faults, RightsFault{i, "", "x"})
	}
	if got := many.Error(); got != "auth/rights.json has 60 faults" || strings.Count(many.Detail(), "\n") != 51 || !strings.HasSuffix(many.Detail(), "… and 10 more\n") {
		t.Errorf("%q, %q", got, many.Detail())
	}
}

func TestRightsSize(t *testing.T) {
	pad := strings.Repeat(" ", maxRights-len(inFile("{}")))
	if _, err := ParseRights([]byte(inFile("{}") + pad)); err != nil {
		t.Errorf("the largest: %v", err)
	}
	if _, err := ParseRights([]byte(inFile("{}") + pad + " ")); err == nil || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("one byte more: %v", err)
	}
}
