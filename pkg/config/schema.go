package config

import (
	"encoding/json"
	"reflect"
)

// schema is the part of JSON Schema 2020-12 that the types need.
type schema struct {
	Schema               string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 string             `json:"type"`
	Const                any                `json:"const,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Default              any                `json:"default,omitempty"`
	Examples             []any              `json:"examples,omitempty"`
	Minimum              *int64             `json:"minimum,omitempty"`
	Maximum              *int64             `json:"maximum,omitempty"`
	MinLength            int                `json:"minLength,omitempty"`
	MinItems             int                `json:"minItems,omitempty"`
	MinProperties        int                `json:"minProperties,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	Properties           map[string]*schema `json:"properties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"`
}

// Schema returns the JSON Schema (2020-12) of regctl.yaml, for editors. It
// accepts every file that Parse accepts; Parse also knows what no schema says,
// such as how values go together.
func Schema() []byte {
	s := structSchema(reflect.TypeFor[Config]())
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = FileName
	s.Properties["version"].Const = Version
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: schema: " + err.Error()) // plain data always marshals
	}
	return append(data, '\n')
}

func structSchema(t reflect.Type) *schema {
	s := &schema{Type: "object", Properties: map[string]*schema{}, AdditionalProperties: false}
	for _, f := range fieldsOf(t) {
		s.Properties[f.name] = fieldSchema(f)
		if f.required {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

func fieldSchema(f field) *schema {
	s := typeSchema(f.typ, f)
	s.Description = f.doc
	s.Default = defaultJSON(f)
	if f.example != "" && isScalar(f.typ) {
		s.Examples = []any{scalarJSON(f.typ, f.example)}
	}
	return s
}

func typeSchema(t reflect.Type, f field) *schema {
	switch {
	case t == durationType:
		return &schema{Type: "string", Pattern: durationPattern, MinLength: 2}
	case t.Kind() == reflect.Pointer:
		return typeSchema(t.Elem(), f)
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	case t.Kind() == reflect.Slice:
		s := &schema{Type: "array", Items: typeSchema(t.Elem(), element(f))}
		if f.required {
			s.MinItems = 1
		}
		return s
	case t.Kind() == reflect.Map:
		s := &schema{Type: "object", AdditionalProperties: typeSchema(t.Elem(), element(f))}
		if f.required {
			s.MinProperties = 1
		}
		return s
	case t.Kind() == reflect.Bool:
		return &schema{Type: "boolean"}
	case t.Kind() == reflect.String:
		return textSchema(f)
	default:
		s := &schema{Type: "integer"}
		if f.min != "" {
			low := scalarJSON(t, f.min).(int64)
			s.Minimum = &low
		}
		if f.max != "" {
			high := scalarJSON(t, f.max).(int64)
			s.Maximum = &high
		}
		return s
	}
}

func textSchema(f field) *schema {
	s := &schema{Type: "string", Enum: f.enum}
	full := f.required || f.hasDefault
	if full && f.enum == nil {
		s.MinLength = 1
	}
	if f.format != "" {
		s.Pattern = formatNamed(f.format).pattern
		if !full {
			s.Pattern = "^$|" + s.Pattern // empty: not set
		}
	}
	return s
}

func defaultJSON(f field) any {
	switch {
	case !f.hasDefault:
		return nil
	case f.typ.Kind() == reflect.Slice:
		return defaultList(f).Interface()
	default:
		return scalarJSON(f.typ, f.def)
	}
}

// scalarJSON is the JSON value of a scalar in its written form.
func scalarJSON(t reflect.Type, text string) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	v := reflect.New(t).Elem()
	if err := setScalar(v, text); err != nil {
		panic("config: tag value " + text + " " + err.Error())
	}
	switch {
	case t == durationType || t.Kind() == reflect.String:
		return scalarText(v)
	case t.Kind() == reflect.Bool:
		return v.Bool()
	default:
		return v.Int()
	}
}
