package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// field is what the tags of one struct field say.
type field struct {
	name       string
	index      int
	typ        reflect.Type
	doc        string
	def        string
	hasDefault bool
	example    string
	required   bool
	show       bool
	enum       []string
	min, max   string
	format     string
}

var durationType = reflect.TypeFor[Duration]()

// fieldsOf reads the tags of a struct type, in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{
			name:     sf.Tag.Get("yaml"),
			index:    i,
			typ:      sf.Type,
			doc:      sf.Tag.Get("doc"),
			example:  sf.Tag.Get("example"),
			required: sf.Tag.Get("required") == "true",
			show:     sf.Tag.Get("show") == "true",
			min:      sf.Tag.Get("min"),
			max:      sf.Tag.Get("max"),
			format:   sf.Tag.Get("format"),
		}
		f.def, f.hasDefault = sf.Tag.Lookup("default")
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, "|")
		}
		fields = append(fields, f)
	}
	return fields
}

// isScalar tells the types that are written on one line.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map:
		return false
	case reflect.Pointer:
		return isScalar(t.Elem())
	default:
		return true
	}
}

// setScalar sets v from its written form; the error says what is wanted.
func setScalar(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("has to be true or false")
		}
		v.SetBool(b)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("has to be a whole number")
		}
		v.SetInt(n)
	default:
		panic("config: no scalar form for " + v.Type().String())
	}
	return nil
}

// scalarText is the written form of a scalar, without quotes.
func scalarText(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return Duration(v.Int()).String()
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	default:
		panic("config: no scalar form for " + v.Type().String())
	}
}
