package config

import (
	"fmt"
	"reflect"
)

// Difference is a key whose values differ between two configurations.
type Difference struct {
	Path string `json:"path"`
	A    string `json:"a"` // as written in YAML without quotes; "" when absent
	B    string `json:"b"`
}

// Diff lists the values that differ, in the order of the keys in the file,
// those that only b has last. Both should have their defaults filled in.
func Diff(a, b *Config) []Difference {
	return diffLeaves(leaves(a), leaves(b))
}

func diffLeaves(before, after []leaf) []Difference {
	at := make(map[string]string, len(after))
	for _, l := range after {
		at[l.path] = l.text
	}
	var differences []Difference
	known := make(map[string]bool, len(before))
	for _, l := range before {
		known[l.path] = true
		if text, ok := at[l.path]; !ok || text != l.text {
			differences = append(differences, Difference{Path: l.path, A: l.text, B: text})
		}
	}
	for _, l := range after {
		if !known[l.path] {
			differences = append(differences, Difference{Path: l.path, B: l.text})
		}
	}
	return differences
}

// leaf is a value on one line, by its path.
type leaf struct{ path, text string }

func leaves(c *Config) []leaf {
	return appendLeaves(nil, "", reflect.ValueOf(c).Elem())
}

func appendLeaves(list []leaf, path string, v reflect.Value) []leaf {
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			list = appendLeaves(list, joinPath(path, f.name), v.Field(f.index))
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = appendLeaves(list, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		for _, key := range sortedKeys(v) {
			list = appendLeaves(list, joinPath(path, key.String()), v.MapIndex(key))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			list = appendLeaves(list, path, v.Elem())
		}
	default:
		list = append(list, leaf{path, scalarText(v)})
	}
	return list
}
