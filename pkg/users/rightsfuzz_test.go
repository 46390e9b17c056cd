package users

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// asFrontDoor judges a rights file as memory.js does (check), after a JSON.parse
// that takes the last of two equal names. It is what ParseRights is measured
// against: a file that it takes and the front door refuses would leave the old
// rights in force in silence.
func asFrontDoor(data []byte) (map[string]map[string]any, error) {
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	users, ok := file["users"].(map[string]any)
	if file["version"] != 1.0 || !ok {
		return nil, errors.New("not a rights file of version 1")
	}
	out := map[string]map[string]any{}
	for name, value := range users {
		rights, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the rights of %s are no object", name)
		}
		for _, verb := range []string{"pull", "push", "delete"} {
			list, given := rights[verb]
			items, ok := list.([]any)
			if given && !ok {
				return nil, fmt.Errorf("%s of %s is no list", verb, name)
			}
			for _, item := range items {
				if s, ok := item.(string); !ok || s == "" {
					return nil, fmt.Errorf("%s of %s is no list of patterns", verb, name)
				}
			}
		}
		if admin, given := rights["admin"]; given && admin != true && admin != false {
			return nil, fmt.Errorf("admin of %s", name)
		}
		if expires, given := rights["expires"]; given {
			s, _ := expires.(string)
			// What Date.parse takes beyond doubt.
			if when, err := time.Parse("2006-01-02T15:04:05Z", s); err != nil || when.Unix() <= 0 {
				return nil, fmt.Errorf("expires of %s", name)
			}
		}
		out[name] = rights
	}
	return out, nil
}

// asRead is what a user's rights are for whoever reads them with asFrontDoor.
func asRead(r map[string]any) string {
	out := Rights{}
	for _, l := range out.lists() {
		items, _ := r[l.verb].([]any)
		for _, item := range items {
			*l.patterns = append(*l.patterns, item.(string))
		}
	}
	out.Admin, _ = r["admin"].(bool)
	if s, ok := r["expires"].(string); ok {
		out.Expires = at(s)
	}
	return out.String()
}

func FuzzParseRights(f *testing.F) {
	for _, seed := range []string{
		rightsExample, "", "{}", `{"version":1,"users":{}}`, inFile(`{"pull":["**"],"push":["team/**"],"delete":[],"admin":false,"expires":"2026-12-01T00:00:00Z"}`),
		inFile(`{"Pull":["**"]}`), inFile(`{"pull":["a"],"pull":["b"]}`), inFile(`{"admin":null}`), inFile(`{"expires":"2026-12-01T00:00:00.5Z"}`),
		inFile(`{"pull":["\u0061"]}`), inFile(`{"\u0070ull":["a"]}`), `{"version":1e0,"users":{}}`, "[[[", "{\"version\":1,\"users\":{\"\xff\":{}}}", "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseRights(data)
		if err != nil {
			invalid, ok := errors.AsType[*RightsError](err)
			if !ok || len(invalid.Faults) == 0 || file != nil {
				t.Fatalf("%v, %v", file, err)
			}
			for _, fault := range invalid.Faults {
				if fault.Line < 1 || fault.Line > 1+bytes.Count(data, []byte("\n")) || strings.Contains(fault.String(), "\n") {
					t.Fatalf("a fault in line %d: %q", fault.Line, fault)
				}
			}
			return
		}
		read, err := asFrontDoor(data)
		if err != nil || len(read) != len(file) {
			t.Fatalf("taken as %v, but the front door says %v, %v", file, read, err)
		}
		for name, r := range file {
			if got, want := r.String(), asRead(read[name]); got != want {
				t.Fatalf("%s: %s, but the front door reads %s", name, got, want)
			}
		}
		again, err := ParseRights(file.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), file.Marshal()) {
			t.Fatalf("written and read again: %v, %v", again, err)
		}
		for name, r := range file {
			if !r.Equal(again[name]) {
				t.Fatalf("%s: %s became %s", name, r, again[name])
			}
		}
	})
}
