package config

import (
	"reflect"
	"strings"
)

// exampleOf makes up the entry of a key that has no default to show, from its
// tag or its type: "a,b" are the elements of a list, "k=v,k=v" those of a map,
// and the names of the elements in a map of groups.
func (b builder) exampleOf(f field) (entry, bool) {
	e := entry{off: !f.required && !f.show}
	typ := f.typ
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Struct:
		e.inner = b.structureOf(typ)
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		e.inner = []entry{{inner: b.structureOf(typ.Elem())}}
	case f.example == "":
		return entry{}, false
	case typ.Kind() == reflect.Slice:
		for text := range strings.SplitSeq(f.example, ",") {
			e.inner = append(e.inner, exampleScalar(typ.Elem(), text))
		}
	case typ.Kind() == reflect.Map:
		for text := range strings.SplitSeq(f.example, ",") {
			key, value, _ := strings.Cut(text, "=")
			element := entry{}
			if typ.Elem().Kind() == reflect.Struct {
				element.inner = b.structureOf(typ.Elem())
			} else {
				element = exampleScalar(typ.Elem(), value)
			}
			element.key = key
			e.inner = append(e.inner, element)
		}
	default:
		e.text = exampleScalar(typ, f.example).text
	}
	return e, true
}

func (b builder) structureOf(t reflect.Type) []entry {
	v := newElement(t)
	return b.structure(v, v)
}

func exampleScalar(t reflect.Type, text string) entry {
	v := reflect.New(t).Elem()
	if err := setScalar(v, text); err != nil {
		panic("config: example " + text + " " + err.Error())
	}
	return builder{}.value(v, v)
}
