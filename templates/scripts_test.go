package templates

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

// script loads one of the front door's modules outside Nginx, in an engine that
// knows no modules: what it exports is its last expression.
func script(t testing.TB, name string) (*goja.Runtime, *goja.Object) {
	t.Helper()
	text, err := fs.ReadFile(Stack(), "nginx/js/"+name)
	if err != nil {
		t.Fatal(err)
	}
	exports := regexp.MustCompile(`(?m)^export default (\{[^}]*\});$`)
	if !exports.Match(text) {
		t.Fatalf("%s has no `export default { … };`", name)
	}
	if strings.Contains(string(text), "\nimport ") {
		t.Fatalf("%s is meant to be pure, but imports", name)
	}
	vm := goja.New()
	v, err := vm.RunString(exports.ReplaceAllString(string(text), "($1)"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return vm, v.ToObject(vm)
}

// function gives one exported function; its result is converted to Go.
func function(t testing.TB, vm *goja.Runtime, module *goja.Object, name string) func(args ...any) any {
	t.Helper()
	f, ok := goja.AssertFunction(module.Get(name))
	if !ok {
		t.Fatalf("no function %s", name)
	}
	return func(args ...any) any {
		values := make([]goja.Value, len(args))
		for i, a := range args {
			values[i] = vm.ToValue(a)
		}
		v, err := f(goja.Undefined(), values...)
		if err != nil {
			t.Fatalf("%s(%v): %v", name, args, err)
		}
		return v.Export()
	}
}
