package config

import (
	"reflect"
	"slices"
	"strings"
)

// didYouMean returns the end of a message about an unknown key: the key of the
// same group that is nearest, else the places in the whole file where a key of
// that name belongs, else nothing.
func didYouMean(key string, fields []field, all []string) string {
	if len(key) > maxShown {
		return ""
	}
	plain := strings.ReplaceAll(strings.ToLower(key), "-", "_")
	best, distance := "", maxShown
	for _, f := range fields {
		if d := editDistance(plain, f.name); d < distance && d <= max(1, len(f.name)/3) {
			best, distance = f.name, d
		}
	}
	if best != "" {
		return `: did you mean "` + best + `"?`
	}
	var places []string
	for _, known := range all {
		if known == key || strings.HasSuffix(known, "."+plain) {
			places = append(places, `"`+known+`"`)
		}
	}
	if len(places) > 0 {
		return ": did you mean " + strings.Join(places, " or ") + "?"
	}
	return ""
}

// keyPaths lists the path of every key under t, groups included.
func keyPaths(parent string, t reflect.Type) []string {
	var paths []string
	for _, f := range fieldsOf(t) {
		path := joinPath(parent, f.name)
		paths = append(paths, path)
		typ := f.typ
		for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, typ.Kind()) {
			if typ.Kind() == reflect.Slice {
				path += "[]"
			}
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Struct {
			paths = append(paths, keyPaths(path, typ)...)
		}
	}
	return paths
}

// editDistance counts the letters to change, add, drop or swap with their
// neighbour (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
