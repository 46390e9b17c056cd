package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Validate checks a configuration built from flags. It returns every fault,
// without lines, and nil when there is none.
func (c *Config) Validate() []Fault {
	return c.faults(nil, nil)
}

// faults checks each value and then the values against each other. It says
// nothing about the paths in bad, which have their fault already, nor about what
// follows from them: derived has the defaults that came from another value.
func (c *Config) faults(bad map[string]bool, derived []derivation) []Fault {
	v := &validator{bad: map[string]bool{}}
	for path := range bad {
		v.bad[path] = true
	}
	v.structure("", reflect.ValueOf(c).Elem())
	for _, d := range derived {
		if v.bad[d.from] {
			v.bad[d.path] = true
		}
	}
	v.together(c)
	return v.faults
}

type validator struct {
	faults []Fault
	bad    map[string]bool
}

func (v *validator) fault(path, format string, args ...any) {
	if v.bad[path] {
		return
	}
	v.bad[path] = true
	v.faults = append(v.faults, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

// good tells that no path has a fault.
func (v *validator) good(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return v.bad[p] })
}

func (v *validator) structure(path string, value reflect.Value) {
	for _, f := range fieldsOf(value.Type()) {
		v.value(joinPath(path, f.name), value.Field(f.index), f)
	}
}

func (v *validator) value(path string, value reflect.Value, f field) {
	if v.bad[path] {
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			v.value(path, value.Elem(), f)
		} else if f.required {
			v.fault(path, "is required")
		}
	case reflect.Struct:
		v.structure(path, value)
	case reflect.Slice:
		if f.required && value.Len() == 0 {
			v.fault(path, "is required")
		}
		for i := range value.Len() {
			v.value(fmt.Sprintf("%s[%d]", path, i), value.Index(i), element(f))
		}
	case reflect.Map:
		if f.required && value.Len() == 0 {
			v.fault(path, "is required")
		}
		for _, key := range sortedKeys(value) {
			v.value(joinPath(path, key.String()), value.MapIndex(key), element(f))
		}
	case reflect.String:
		v.text(path, value.String(), f)
	default:
		v.number(path, value, f)
	}
}

// element is f as it applies to each element of its list or map.
func element(f field) field {
	f.required, f.hasDefault = false, false
	return f
}

func (v *validator) text(path, text string, f field) {
	switch {
	case text == "" && f.required:
		v.fault(path, "is required")
		return
	case text == "" && f.hasDefault:
		v.fault(path, "is empty: write a value, or leave the key out for %q", f.def)
		return
	case f.enum != nil:
		if !slices.Contains(f.enum, text) {
			v.fault(path, "has to be %s, not %q", oneOf(f.enum), shorten(text))
		}
		return
	case unprintable(text):
		v.fault(path, "contains a character that does not print")
		return
	}
	if f.format != "" && text != "" {
		if problem := formatNamed(f.format).check(text); problem != "" {
			v.fault(path, "%s", problem)
		}
	}
}

// number checks the bounds of an integer or a duration; a boolean has none.
func (v *validator) number(path string, value reflect.Value, f field) {
	if value.Type() == durationType && (value.Int() < 0 || Duration(value.Int()).Std()%time.Second != 0) {
		v.fault(path, "has to be whole seconds, not %s", Duration(value.Int()).Std())
		return
	}
	if f.min == "" && f.max == "" {
		return
	}
	bound := func(text string) (int64, bool) {
		if text == "" {
			return 0, false
		}
		b := reflect.New(value.Type()).Elem()
		if err := setScalar(b, text); err != nil {
			panic("config: bound of " + path + " " + err.Error())
		}
		return b.Int(), true
	}
	low, hasLow := bound(f.min)
	high, hasHigh := bound(f.max)
	if n := value.Int(); hasLow && n < low || hasHigh && n > high {
		v.fault(path, "has to be %s, not %s", between(f.min, f.max), scalarText(value))
	}
}

func between(low, high string) string {
	switch {
	case high == "":
		return low + " or more"
	case low == "":
		return high + " or less"
	default:
		return low + " to " + high
	}
}

// oneOf writes a choice: "a, b or c".
func oneOf(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
