package users

import (
	"io/fs"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"github.com/regctl/regctl/pkg/pattern"
	"github.com/regctl/regctl/templates"
)

// The front door reads what this package writes and has its own idea of what it
// means, in JavaScript. These tests run its very text.

// frontDoor runs one of its scripts, less what only Nginx knows, and returns a
// function that it has in it.
func frontDoor(t *testing.T, script, function string) func(args ...any) (goja.Value, error) {
	t.Helper()
	text, err := fs.ReadFile(templates.Stack(), "nginx/js/"+script)
	if err != nil {
		t.Fatal(err)
	}
	vm := goja.New()
	if _, err := vm.RunString(regexp.MustCompile(`(?m)^(import .*|export default .*)$`).ReplaceAllString(string(text), "")); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	f, ok := goja.AssertFunction(vm.Get(function))
	if !ok {
		t.Fatalf("%s has no function %s", script, function)
	}
	return func(args ...any) (goja.Value, error) {
		values := make([]goja.Value, len(args))
		for i, arg := range args {
			values[i] = vm.ToValue(arg)
		}
		return f(goja.Undefined(), values...)
	}
}

// What is immutable at the front door is so for the retention too.
func TestFrontDoorProtectsAlike(t *testing.T) {
	immutable := frontDoor(t, "rights.js", "immutable")
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	yes := 0
	for range 20000 {
		rule := pick("a", "*", "**", "a/**", "*/b", "a/*") + ":" + pick("v*", "*", "latest", "v1.*", "*-*", "1")
		name, tag := pick("a", "b", "a/b", "b/b", "a/b/c"), pick("v1", "v1.0", "latest", "1", "a-b", "V1")
		got, err := immutable([]string{rule}, name, tag)
		if want := pattern.MatchesTagged(rule, name, tag); err != nil || got.ToBoolean() != want {
			t.Fatalf("%q on %s:%s: the front door says %v, %v, pkg/pattern %v", rule, name, tag, got, err, want)
		} else if want {
			yes++
		}
	}
	if yes < 2000 || yes > 18000 {
		t.Errorf("%d of 20000 match: the choice proves little", yes)
	}
}

func TestFrontDoorMatchesAlike(t *testing.T) {
	matches := frontDoor(t, "rights.js", "matches")
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	yes := 0
	for range 20000 {
		var components, name []string
		for range 1 + random.IntN(4) {
			components = append(components, pick("a", "b", "ab", "*", "**", "a*", "*b", "a*b", "*a*"))
		}
		for range 1 + random.IntN(4) {
			name = append(name, pick("a", "b", "ab", "aab", "abb", "ba"))
		}
		p, n := strings.Join(components, "/"), strings.Join(name, "/")
		if err := CheckPattern(p); err != nil {
			t.Fatal(err)
		}
		got, err := matches(p, n)
		if err != nil || got.ToBoolean() != pattern.Matches(p, n) {
			t.Fatalf("%q on %q: the front door says %v, %v, this package %v", p, n, got, err, pattern.Matches(p, n))
		}
		if pattern.Matches(p, n) {
			yes++
		}
	}
	if yes < 2000 || yes > 18000 {
		t.Errorf("%d of 20000 match: the choice proves little", yes)
	}
}

// Each file that is written here is taken there, and each right that a file
// gives here it gives there.
func TestFrontDoorReadsAlike(t *testing.T) {
	check := frontDoor(t, "memory.js", "check")
	parse := func(data string) (*goja.Object, error) {
		vm := goja.New()
		file, err := vm.RunString("JSON.parse(" + string(asJS(data)) + ")")
		if err != nil {
			return nil, err
		}
		users, err := check(file.Export())
		if err != nil {
			return nil, err
		}
		return users.ToObject(vm), nil
	}
	all := RightsFile{"none": {}, "admin": {Admin: true}, "a": DefaultRights(),
		"x": {Pull: []string{"a"}, Push: []string{"b/**", "c"}, Delete: []string{"*"}, Expires: at("2026-12-01T00:00:00Z")}}
	users, err := parse(string(all.Marshal()))
	if err != nil || len(users.Keys()) != len(all) {
		t.Fatalf("%v, %v", users, err)
	}
	for name, r := range all {
		read, ok := users.Get(name).Export().(map[string]any)
		if !ok || asRead(read) != r.String() {
			t.Errorf("%s: %s is read as %v", name, r, read)
		}
	}
	for _, bad := range []string{inFile(`{"pull":"**"}`), inFile(`{"pull":[1]}`), inFile(`{"pull":null}`), inFile(`{"admin":"yes"}`), inFile(`{"expires":"soon"}`),
		inFile("[1]") + "x", `{"version":2,"users":{}}`, `{"version":1,"users":[]}`, `{"version":1}`, "null", "[]"} {
		if users, err := parse(bad); err == nil {
			t.Errorf("the front door takes %s as %v", bad, users.Export())
		}
		if file, err := ParseRights([]byte(bad)); err == nil {
			t.Errorf("this package takes %s as %v", bad, file)
		}
	}
}

// asJS is a text as a JavaScript literal.
func asJS(s string) []byte {
	return []byte("'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(s) + "'")
}
