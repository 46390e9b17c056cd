package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json") // also checks it against the meta-schema
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// asJSON reads YAML as an editor does before it looks at the schema.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Load([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(toJSON(t, v)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaAcceptsOurFiles(t *testing.T) {
	golden(t, "schema.json", Schema())
	s := compile(t, Schema())
	c := New("reg", "localhost", "")
	for name, text := range map[string][]byte{
		"example": Example(), "every key of the example": uncommented(Example()),
		"marshal": c.Marshal(), "effective": c.Effective(), "json": toJSON(t, c),
	} {
		if err := s.Validate(asJSON(t, string(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaAgreesWithParse: what the schema is able to see it refuses, and it
// accepts every file that Parse accepts.
func TestSchemaAgreesWithParse(t *testing.T) {
	s := compile(t, Schema())
	for _, tt := range faultCases {
		if tt.schemaBlind || tt.text == "" {
			continue
		}
		if err := s.Validate(asJSON(t, tt.text)); err == nil {
			t.Errorf("%s: the schema accepts what Parse refuses", tt.name)
		}
	}
	good := []string{head, string(Example())}
	for _, line := range []string{
		"bind: ''", "bind: 0.0.0.0", "bind: '::'", "http_port: 0", "https_port: 65535", "tls: {}", "tls: {mode: files}",
		"tls: {mode: files, cert: a b.pem, key: ../é.key}", "acme: {email: '', server: ''}", "stop_grace: 1h", "stop_grace: 0d60m",
		"registry: {image: 'host.example:5000/a/b_c:1@sha256:" + hex64 + "'}", "users: {cost: 15}",
	} {
		good = append(good, head+line+"\n")
	}
	for _, domain := range goodHosts {
		good = append(good, "version: 1\nproject: r\ntls: {mode: files}\ndomain: '"+domain+"'\n")
	}
	for _, text := range good {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("Parse: %v in %q", err, text)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("schema: %v in %q", err, text)
		}
	}
}

// TestJSONFollowsYAML: --json shows what the file says.
func TestJSONFollowsYAML(t *testing.T) {
	c := New("reg", "localhost", "")
	c.StopGrace = 90e9
	got, want := asJSON(t, string(toJSON(t, c))), asJSON(t, string(c.Effective()))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	var back Config
	if err := json.Unmarshal(toJSON(t, c), &back); err != nil || !reflect.DeepEqual(&back, c) {
		t.Errorf("reads back as %+v, %v", back, err)
	}
}
