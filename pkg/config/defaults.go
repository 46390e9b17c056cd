package config

import (
	"reflect"
	"strings"
)

// Default returns a configuration with every default that depends on nothing
// else. Project, Domain and TLS.Mode are empty, so it is not valid yet; see
// New.
func Default() *Config {
	c := new(Config)
	fillDefaults(reflect.ValueOf(c).Elem())
	return c
}

// New returns Default for a project and a domain, with the defaults that follow
// from them. An empty mode stands for DefaultTLSMode(domain). Set fields on top
// of it, then ask Validate.
func New(project, domain, mode string) *Config {
	c := Default()
	c.Project, c.Domain, c.TLS.Mode = project, domain, mode
	set := map[string]int{}
	if mode != "" {
		set["tls.mode"] = 0
	}
	derive(c, set)
	return c
}

// derivation is a default that came from another value.
type derivation struct{ path, from string }

// derive sets the defaults that follow from other values, for the paths that
// are not in set, in the order in which they follow from each other.
func derive(c *Config, set map[string]int) []derivation {
	var derived []derivation
	if _, ok := set["tls.mode"]; !ok {
		c.TLS.Mode = DefaultTLSMode(c.Domain)
		derived = append(derived, derivation{"tls.mode", "domain"})
	}
	if _, ok := set["http_port"]; !ok {
		c.HTTPPort = DefaultHTTPPort(c.TLS.Mode, c.ACME.Challenge)
		derived = append(derived, derivation{"http_port", "tls.mode"})
	}
	return derived
}

// fillDefaults sets the fields of a struct from their tags, and lists and maps
// to empty ones. Pointers stay nil: they are for what may be absent.
func fillDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		target := v.Field(f.index)
		switch target.Kind() {
		case reflect.Struct:
			fillDefaults(target)
		case reflect.Map:
			target.Set(reflect.MakeMap(f.typ))
		case reflect.Slice:
			target.Set(defaultList(f))
		default:
			if !f.hasDefault {
				continue
			}
			if err := setScalar(target, f.def); err != nil {
				panic("config: default of " + f.name + " " + err.Error())
			}
		}
	}
}

// defaultList reads the default of a list of scalars: comma separated.
func defaultList(f field) reflect.Value {
	list := reflect.MakeSlice(f.typ, 0, 0)
	if !f.hasDefault {
		return list
	}
	for text := range strings.SplitSeq(f.def, ",") {
		element := reflect.New(f.typ.Elem()).Elem()
		if err := setScalar(element, text); err != nil {
			panic("config: default of " + f.name + " " + err.Error())
		}
		list = reflect.Append(list, element)
	}
	return list
}
