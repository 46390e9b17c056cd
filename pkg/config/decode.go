package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// decoder sets a struct from a tree of nodes and keeps going after a fault.
// The library's own decoder is not used: its errors carry no path, and it takes
// 0x1bb for a port and 8080 for a name.
type decoder struct {
	faults []Fault
	// lines has the line of every key and element met, by path: what is in it
	// was set by the file.
	lines map[string]int
	// places has the path of every key that the file may have.
	places []string
}

// decode sets the struct v, which has its defaults, from the mapping root.
func decode(root *yaml.Node, v reflect.Value) *decoder {
	d := &decoder{lines: map[string]int{}, places: keyPaths("", v.Type())}
	d.structure("", 0, root, v)
	return d
}

func (d *decoder) fault(path string, line int, format string, args ...any) {
	d.faults = append(d.faults, Fault{Path: path, Line: line, Message: fmt.Sprintf(format, args...)})
}

// value sets v from n. At line the value or its key stands.
func (d *decoder) value(path string, line int, n *yaml.Node, v reflect.Value) {
	if !d.plainNode(path, line, n) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		if target.Elem().Kind() == reflect.Struct {
			fillDefaults(target.Elem())
		}
		d.value(path, line, n, target.Elem())
		v.Set(target)
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			d.fault(path, line, "has to be a group of keys, not %s", kindName(n))
			return
		}
		d.structure(path, line, n, v)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			d.fault(path, line, "has to be a group of keys, not %s", kindName(n))
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		d.pairs(path, n, func(key string, keyLine int, value *yaml.Node) {
			element := newElement(v.Type().Elem())
			d.value(joinPath(path, key), keyLine, value, element)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), element)
		})
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fault(path, line, "has to be a list, not %s", kindName(n))
			return
		}
		list := reflect.MakeSlice(v.Type(), 0, len(n.Content))
		for i, item := range n.Content {
			element := newElement(v.Type().Elem())
			itemPath := fmt.Sprintf("%s[%d]", path, i)
			d.lines[itemPath] = item.Line
			d.value(itemPath, item.Line, item, element)
			list = reflect.Append(list, element)
		}
		v.Set(list)
	default:
		d.scalar(path, line, n, v)
	}
}

// plainNode refuses what YAML can do and a configuration does not need:
// aliases (a small file that unfolds into gigabytes), tags, and no value at
// all, which would leave open whether the default is meant.
func (d *decoder) plainNode(path string, line int, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(path, line, "aliases (*name) are not allowed here: write the value out")
	case n.Anchor != "":
		d.fault(path, line, "anchors (&name) are not allowed here: remove it")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(path, line, "tags (!name) are not allowed here: remove it")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.fault(path, line, "has no value: write one, or leave the key out")
	default:
		return true
	}
	return false
}

func (d *decoder) structure(path string, line int, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	seen := make(map[string]bool, len(fields))
	d.pairs(path, n, func(key string, keyLine int, value *yaml.Node) {
		at := joinPath(path, key)
		for _, f := range fields {
			if f.name == key {
				seen[key] = true
				d.lines[at] = keyLine
				d.value(at, keyLine, value, v.Field(f.index))
				return
			}
		}
		d.fault(at, keyLine, "unknown key%s", didYouMean(key, fields, d.places))
	})
	for _, f := range fields {
		if f.required && !seen[f.name] {
			hint := ""
			if f.hasDefault {
				hint = fmt.Sprintf(": add %q", f.name+": "+f.def)
			}
			d.fault(joinPath(path, f.name), line, "is required%s", hint)
		}
	}
}

// pairs calls set for each key of a mapping that is a string and met for the
// first time.
func (d *decoder) pairs(path string, n *yaml.Node, set func(key string, line int, value *yaml.Node)) {
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			d.fault(path, key.Line, "a key has to be a plain word, not %s", kindName(key))
			continue
		case key.Tag == "!!merge":
			d.fault(path, key.Line, "merge keys (<<) are not allowed here: write the keys out")
			continue
		case key.Tag != "!!str" && key.Tag != "!!timestamp":
			d.fault(joinPath(path, key.Value), key.Line, "a key has to be a string, not %s", kindName(key))
			continue
		case unprintable(key.Value):
			d.fault(joinPath(path, key.Value), key.Line, "the key contains a character that does not print")
			continue
		}
		if before, twice := first[key.Value]; twice {
			d.fault(joinPath(path, key.Value), key.Line, "is given twice, first on line %d", before)
			continue
		}
		first[key.Value] = key.Line
		set(key.Value, key.Line, value)
	}
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// scalar is strict about types where YAML is not: 0x1bb, 1_000 and 0777 are
// numbers to one reader and text to the next.
func (d *decoder) scalar(path string, line int, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.fault(path, line, "has to be %s, not %s", typeName(v.Type()), kindName(n))
		return
	}
	var ok bool
	hint := ""
	switch {
	case v.Kind() == reflect.String:
		// A date is text to every YAML 1.2 reader.
		ok = n.Tag == "!!str" || n.Tag == "!!timestamp"
		hint = ": put it in quotes"
	case v.Type() == durationType:
		ok = n.Tag == "!!str"
	case v.Kind() == reflect.Bool:
		ok = n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false")
	default:
		// A number beyond 64 bits is a float to the library.
		ok = (n.Tag == "!!int" || n.Tag == "!!float") && decimal.MatchString(n.Value)
	}
	if !ok {
		d.fault(path, line, "has to be %s, not %s%s", typeName(v.Type()), kindName(n), hint)
		return
	}
	if err := setScalar(v, n.Value); err != nil {
		if v.Type() == durationType {
			d.fault(path, line, "%s", err)
		} else {
			d.fault(path, line, "is too large a number: %s", shorten(n.Value))
		}
	}
}

func newElement(t reflect.Type) reflect.Value {
	element := reflect.New(t).Elem()
	if t.Kind() == reflect.Struct {
		fillDefaults(element)
	}
	return element
}

// kindName is what n is, for a message.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + shorten(n.Value)
	case "!!bool":
		return "the boolean " + shorten(n.Value)
	case "!!null":
		return "nothing"
	default:
		return strconv.Quote(shorten(n.Value))
	}
}

// typeName is what a value of type t looks like, for a message.
func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 90s, 5m, 1h30m or 30d"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "a whole number"
	}
}
