package config

import (
	"reflect"
)

const marshalHead = `# The one file that this registry is rendered from. After an edit: regctl up
`

const exampleHead = `# Every key of regctl.yaml. A key that is written out shows its default or has
# to be given; one after a # without a space shows a value it could have.
`

// Marshal returns the file that init writes: the keys that have to be there,
// and those whose value is not the default, each under a comment. Parse reads
// back an equal configuration, provided that c is valid.
func (c *Config) Marshal() []byte {
	base := Default()
	base.TLS.Mode, base.HTTPPort = DefaultTLSMode(c.Domain), DefaultHTTPPort(c.TLS.Mode, c.ACME.Challenge)
	b := builder{comments: true, changed: true}
	entries := b.structure(reflect.ValueOf(c).Elem(), reflect.ValueOf(base).Elem())
	return write(marshalHead, entries)
}

// Effective returns the configuration with every key, also those that are the
// default, without comments. Parse reads back an equal configuration.
func (c *Config) Effective() []byte {
	var b builder
	v := reflect.ValueOf(c).Elem()
	return write("", b.structure(v, v))
}

// Example returns a commented file that names every key; Parse accepts it.
func Example() []byte {
	b := builder{comments: true, example: true}
	v := reflect.ValueOf(Default()).Elem()
	return write(exampleHead, b.structure(v, v))
}

// entry is a key, or an element of a list, on its way into a file.
type entry struct {
	comment string
	key     string // "" for an element of a list
	text    string // the value, when it stands on the key's line
	inner   []entry
	off     bool // commented out, with all that is in it
}

// builder turns values into entries.
type builder struct {
	comments bool // each key has one
	changed  bool // only what has to be there or differs from the base
	example  bool // values without a default are made up and commented out
}

// structure returns the keys of v; base has the values to compare with.
func (b builder) structure(v, base reflect.Value) []entry {
	var entries []entry
	for _, f := range fieldsOf(v.Type()) {
		value, usual := v.Field(f.index), base.Field(f.index)
		if e, ok := b.field(f, value, usual); ok {
			e.key = f.name
			if b.comments {
				e.comment = comment(f)
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// field returns the entry of one key, and whether there is one.
func (b builder) field(f field, value, base reflect.Value) (entry, bool) {
	group := value.Kind() == reflect.Struct
	if b.changed && !group && !f.required && !f.show && same(value, base) {
		return entry{}, false
	}
	if b.example && (empty(value) || f.required || f.show) {
		if e, ok := b.exampleOf(f); ok {
			return e, true
		}
	}
	if value.Kind() == reflect.Pointer && value.IsNil() {
		return entry{}, false
	}
	e := b.value(value, base)
	if b.changed && group && len(e.inner) == 0 && !f.required {
		return entry{}, false
	}
	return e, true
}

// value returns the entry of a value, without its key.
func (b builder) value(v, base reflect.Value) entry {
	switch v.Kind() {
	case reflect.Pointer:
		return b.value(v.Elem(), newElement(v.Type().Elem()))
	case reflect.Struct:
		e := entry{inner: b.structure(v, base)}
		if len(e.inner) == 0 {
			e.text = "{}"
		}
		e.off = b.example && allOff(e.inner)
		return e
	case reflect.Slice:
		e := entry{}
		for i := range v.Len() {
			e.inner = append(e.inner, b.value(v.Index(i), newElement(v.Type().Elem())))
			b.comments = false // once is enough
		}
		if len(e.inner) == 0 {
			e.text = "[]"
		}
		return e
	case reflect.Map:
		e := entry{}
		for _, key := range sortedKeys(v) {
			element := b.value(v.MapIndex(key), newElement(v.Type().Elem()))
			element.key = key.String()
			e.inner = append(e.inner, element)
			b.comments = false
		}
		if len(e.inner) == 0 {
			e.text = "{}"
		}
		return e
	case reflect.String:
		return entry{text: scalarYAML(v.String())}
	default:
		return entry{text: scalarText(v)}
	}
}

// same compares values; a list that is nil and one that is empty are the same
// in a file.
func same(a, b reflect.Value) bool {
	return reflect.DeepEqual(a.Interface(), b.Interface()) || isList(a) && a.Len() == 0 && b.Len() == 0
}

// empty tells values that show nothing of what they are for.
func empty(v reflect.Value) bool {
	return v.Kind() != reflect.Struct && (v.IsZero() || isList(v) && v.Len() == 0)
}

func isList(v reflect.Value) bool {
	return v.Kind() == reflect.Slice || v.Kind() == reflect.Map
}

func allOff(entries []entry) bool {
	for _, e := range entries {
		if !e.off {
			return false
		}
	}
	return true
}

// comment is the text over a key: what it means and what it may be.
func comment(f field) string {
	switch {
	case f.enum != nil:
		return f.doc + " (" + oneOf(f.enum) + ")"
	case f.min != "" || f.max != "":
		return f.doc + " (" + between(f.min, f.max) + ")"
	default:
		return f.doc
	}
}
