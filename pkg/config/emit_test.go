package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs, run go test -update to accept:\n%s", path, got)
	}
}

func TestExample(t *testing.T) {
	golden(t, "example.yaml", Example())
	got, err := Parse(Example())
	if want := New("registry", "registry.example.com", ModeSelfSigned); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	all := string(uncommented(Example()))
	root, fault := parseTree([]byte(all))
	if fault != nil {
		t.Fatalf("%v in\n%s", fault, all)
	}
	d := decode(root, reflect.ValueOf(Default()).Elem())
	if d.faults != nil {
		t.Errorf("with every key: %v", d.faults)
	}
	for _, path := range d.places {
		if _, ok := d.lines[strings.ReplaceAll(path, "[]", "[0]")]; !ok {
			t.Errorf("%s is not in the example", path)
		}
	}
	eachField("", reflect.TypeFor[Config](), func(path string, _ reflect.StructField, f field) {
		if !strings.Contains(string(Example()), "# "+f.doc) {
			t.Errorf("%s: its text is not in the example", path)
		}
	})
}

func TestMarshal(t *testing.T) {
	least := New("reg", "localhost", "")
	most := New("yes", "2001:db8::1", ModeFiles)
	most.Bind, most.HTTPSPort, most.HTTPPort = "192.0.2.1", 8443, 8080
	most.TLS.Cert, most.TLS.Key = "my \"cert\": #1.pem", " k"[1:]+"ä"
	most.Registry = Registry{Image: "regctl.local/registry:2", LogLevel: "debug"}
	most.Nginx.Image = "regctl.local/nginx"
	most.StopGrace, most.Users.Cost = 45e9, 12
	for name, c := range map[string]*Config{"least": least, "most": most} {
		if faults := c.Validate(); faults != nil {
			t.Fatalf("%s: %v", name, faults)
		}
		golden(t, "marshal-"+name+".yaml", c.Marshal())
		golden(t, "effective-"+name+".yaml", c.Effective())
		roundTrip(t, c)
	}
}

// roundTrip checks that both written forms read back as c.
func roundTrip(t *testing.T, c *Config) {
	t.Helper()
	for _, text := range [][]byte{c.Marshal(), c.Effective()} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v\nwant %+v\nfrom\n%s", got, err, c, text)
		}
	}
}

// TestMarshalKeepsDerived: a default that follows from another value is
// written when the value is not that default, and only then.
func TestMarshalKeepsDerived(t *testing.T) {
	c := New("reg", "registry.example.com", ModeLetsEncrypt)
	if text := string(c.Marshal()); strings.Contains(text, "http_port") {
		t.Errorf("the default of letsencrypt is written:\n%s", text)
	}
	c.HTTPPort = 0
	if text := string(c.Marshal()); !strings.Contains(text, "\nhttp_port: 0\n") {
		t.Errorf("http_port 0 is lost under letsencrypt:\n%s", text)
	}
	c = New("reg", "registry.example.com", ModeSelfSigned)
	if text := string(c.Marshal()); !strings.Contains(text, "\n  mode: selfsigned\n") || strings.Contains(text, "http_port") {
		t.Errorf("got\n%s", text)
	}
	roundTrip(t, c)
}

func TestScalarYAML(t *testing.T) {
	for s, want := range map[string]string{
		"a": "a", "a b": `"a b"`, "": `""`, "yes": `"yes"`, "No": `"No"`, "true": `"true"`, "null": `"null"`, "~": `"~"`,
		"1": `"1"`, "1.5": `"1.5"`, "0x1f": `"0x1f"`, "1e3": `"1e3"`, "12:30": `"12:30"`, ".inf": `".inf"`, ".5": `".5"`,
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "::1": `"::1"`, "registry:3.1.2": "registry:3.1.2",
		"https://a.example/b": "https://a.example/b", "a:": `"a:"`, "-a": `"-a"`, "@a": `"@a"`, "a#b": `"a#b"`, "2024-01-02": `"2024-01-02"`,
		`q"\`: `"q\"\\"`, "é": `"é"`, "a\u00a0b": `"a\u00a0b"`, "\U0001f600": `"😀"`, "<<": `"<<"`, "./a": "./a", "---": `"---"`, "...": `"..."`,
	} {
		got := scalarYAML(s)
		if got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
		var back any
		if err := yaml.Load([]byte("k: "+got), &back); err != nil || !reflect.DeepEqual(back, map[string]any{"k": s}) {
			t.Errorf("%q reads back as %v, %v", s, back, err)
		}
	}
}
