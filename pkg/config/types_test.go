package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// eachField calls f for every field of t and of the groups in it.
func eachField(parent string, t reflect.Type, f func(path string, sf reflect.StructField, fd field)) {
	for _, fd := range fieldsOf(t) {
		path := joinPath(parent, fd.name)
		f(path, t.Field(fd.index), fd)
		typ := fd.typ
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct {
			eachField(path, typ, f)
		}
	}
}

// TestTags holds every key to the rules of Config's comment.
func TestTags(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	known := map[string]bool{"yaml": true, "json": true, "doc": true, "default": true, "example": true,
		"required": true, "show": true, "enum": true, "min": true, "max": true, "format": true}
	tag := regexp.MustCompile(`([a-z]+):"`)
	eachField("", reflect.TypeFor[Config](), func(path string, sf reflect.StructField, f field) {
		if !name.MatchString(f.name) {
			t.Errorf("%s: key %q is not in snake case", path, f.name)
		}
		if sf.Tag.Get("json") != f.name {
			t.Errorf("%s: the json tag %q differs", path, sf.Tag.Get("json"))
		}
		if f.doc == "" || strings.HasSuffix(f.doc, ".") || strings.Contains(f.doc, "\n") {
			t.Errorf("%s: doc %q has to be one line without a period", path, f.doc)
		}
		if text := comment(f); len(text) > 118 {
			t.Errorf("%s: comment of %d characters: %s", path, len(text), text)
		}
		if f.format != "" {
			formatNamed(f.format) // panics when there is none
		}
		if !f.hasDefault && f.example == "" && needsExample(f.typ) {
			t.Errorf("%s: neither default nor example", path)
		}
		rest := string(sf.Tag)
		for _, m := range tag.FindAllStringSubmatch(rest, -1) {
			if _, ok := sf.Tag.Lookup(m[1]); ok && !known[m[1]] {
				t.Errorf("%s: tag %q has no meaning here", path, m[1])
			}
		}
	})
}

// needsExample tells the types whose zero value shows nothing of their use.
func needsExample(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer:
		return isScalar(t)
	case reflect.Slice:
		return isScalar(t.Elem())
	default:
		return t.Kind() == reflect.String || t.Kind() == reflect.Map
	}
}

// TestRequiredStandFirst keeps Marshal's order: required keys, then the others.
func TestRequiredStandFirst(t *testing.T) {
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		optional := ""
		for _, f := range fieldsOf(typ) {
			switch {
			case !f.required:
				optional = f.name
			case optional != "":
				t.Errorf("%s.%s is required and stands after %s", path, f.name, optional)
			}
			if f.typ.Kind() == reflect.Struct {
				check(joinPath(path, f.name), f.typ)
			}
		}
	}
	check("", reflect.TypeFor[Config]())
}
