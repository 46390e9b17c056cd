package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// sample has a field of every type that Config may grow.
type sample struct {
	Name   string                `yaml:"name" required:"true" example:"x" doc:"a name"`
	Rules  []sampleRule          `yaml:"rules" doc:"what to keep"`
	Exempt []string              `yaml:"exempt" enum:"a|b|c" example:"a,b" doc:"what to leave alone"`
	Levels []int                 `yaml:"levels" default:"1,2" min:"1" max:"9" doc:"some numbers"`
	Labels map[string]string     `yaml:"labels" example:"team=web" doc:"some labels"`
	Hooks  map[string]sampleRule `yaml:"hooks" example:"nightly" doc:"rules by name"`
	Strict *bool                 `yaml:"strict" example:"true" doc:"a choice with a third state"`
	Window *sampleRule           `yaml:"window" doc:"a group that may be absent"`
	On     bool                  `yaml:"on" default:"true" doc:"a switch"`
}

type sampleRule struct {
	Match string   `yaml:"match" required:"true" example:"team/**" doc:"pattern"`
	Keep  int      `yaml:"keep" default:"10" min:"1" doc:"how many"`
	Age   Duration `yaml:"age" default:"30d" max:"90d" doc:"how old"`
	Tags  []string `yaml:"tags" example:"v1" doc:"which tags"`
}

func newSample() *sample {
	s := new(sample)
	fillDefaults(reflect.ValueOf(s).Elem())
	return s
}

// parseSample does what Parse does, without what is Config's alone.
func parseSample(t *testing.T, text string) (*sample, []string) {
	t.Helper()
	root, fault := parseTree([]byte(text))
	if fault != nil {
		t.Fatalf("%v in\n%s", fault, text)
	}
	s := newSample()
	d := decode(root, reflect.ValueOf(s).Elem())
	v := &validator{bad: map[string]bool{}}
	for _, f := range d.faults {
		v.bad[f.Path] = true
	}
	v.structure("", reflect.ValueOf(s).Elem())
	all := d.faults
	for _, f := range v.faults {
		f.Line = d.lineOf(f.Path)
		all = append(all, f)
	}
	sortFaults(all)
	var texts []string
	for _, f := range all {
		texts = append(texts, f.String())
	}
	return s, texts
}

const sampleText = `name: n
rules:
  - match: a
    keep: 5
  - {match: b, age: 12h, tags: [v1, v2]}
exempt: [b]
levels: []
labels:
  team: web
  "odd key: #": "1"
hooks:
  nightly: {match: c}
strict: false
window:
  match: w
on: false
`

func sampleWant() *sample {
	strict := false
	day := Duration(24 * 3600 * 1e9)
	return &sample{
		Name: "n",
		Rules: []sampleRule{
			{Match: "a", Keep: 5, Age: 30 * day, Tags: []string{}},
			{Match: "b", Keep: 10, Age: day / 2, Tags: []string{"v1", "v2"}},
		},
		Exempt: []string{"b"},
		Levels: []int{},
		Labels: map[string]string{"team": "web", "odd key: #": "1"},
		Hooks:  map[string]sampleRule{"nightly": {Match: "c", Keep: 10, Age: 30 * day, Tags: []string{}}},
		Strict: &strict,
		Window: &sampleRule{Match: "w", Keep: 10, Age: 30 * day, Tags: []string{}},
	}
}

func TestDecodeEveryType(t *testing.T) {
	got, faults := parseSample(t, sampleText)
	if faults != nil {
		t.Fatal(faults)
	}
	if want := sampleWant(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestFaultsOfEveryType(t *testing.T) {
	_, got := parseSample(t, `name: n
rules:
  - keep: 0
  - match: x
    age: 91d
    tags: [1]
  - text
exempt:
  - a
  - d
levels: [1, x, 10]
labels: {a.b: 1, c: null}
hooks: {nightly: {mtch: x, match: y}, weekly: []}
strict: 1
window: {}
`)
	want := []string{
		`line 3: rules[0].match: is required`,
		`line 3: rules[0].keep: has to be 1 or more, not 0`,
		`line 5: rules[1].age: has to be 90d or less, not 91d`,
		`line 6: rules[1].tags[0]: has to be a string, not the number 1: put it in quotes`,
		`line 7: rules[2]: has to be a group of keys, not "text"`,
		`line 10: exempt[1]: has to be a, b or c, not "d"`,
		`line 11: levels[1]: has to be a whole number, not "x"`,
		`line 11: levels[2]: has to be 1 to 9, not 10`,
		`line 12: labels["a.b"]: has to be a string, not the number 1: put it in quotes`,
		`line 12: labels.c: has no value: write one, or leave the key out`,
		`line 13: hooks.nightly.mtch: unknown key: did you mean "match"?`,
		`line 13: hooks.weekly: has to be a group of keys, not a list`,
		`line 14: strict: has to be true or false, not the number 1`,
		`line 15: window.match: is required`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteEveryType(t *testing.T) {
	full, none := reflect.ValueOf(sampleWant()).Elem(), reflect.ValueOf(newSample()).Elem()
	none.FieldByName("Name").SetString("n")
	none.FieldByName("Exempt").SetZero() // nil and empty are the same in a file
	changed := builder{comments: true, changed: true}
	for name, text := range map[string][]byte{
		"sample-changed.yaml":   write("", changed.structure(full, reflect.ValueOf(newSample()).Elem())),
		"sample-effective.yaml": write("", builder{}.structure(full, full)),
		"sample-none.yaml":      write("", changed.structure(none, reflect.ValueOf(newSample()).Elem())),
	} {
		golden(t, name, text)
		got, faults := parseSample(t, string(text))
		want := sampleWant()
		if name == "sample-none.yaml" {
			want = newSample()
			want.Name = "n"
		}
		if faults != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s reads back as %+v, %v", name, got, faults)
		}
	}
}

func TestExampleOfEveryType(t *testing.T) {
	b := builder{comments: true, example: true}
	v := reflect.ValueOf(newSample()).Elem()
	text := write("", b.structure(v, v))
	golden(t, "sample-example.yaml", text)
	for name, text := range map[string][]byte{"as it is": text, "all keys": uncommented(text)} {
		if _, faults := parseSample(t, string(text)); faults != nil {
			t.Errorf("%s: %v in\n%s", name, faults, text)
		}
	}
	var all map[string]any
	if err := yaml.Load(uncommented(text), &all); err != nil {
		t.Fatal(err)
	}
	for _, f := range fieldsOf(v.Type()) {
		if _, ok := all[f.name]; !ok {
			t.Errorf("%s is not in the example", f.name)
		}
	}
}

func TestSchemaOfEveryType(t *testing.T) {
	s := compile(t, toJSON(t, structSchema(reflect.TypeFor[sample]())))
	for text, good := range map[string]bool{
		sampleText:                              true,
		"name: n\nrules: [{keep: 1}]\n":         false,
		"name: n\nexempt: [d]\n":                false,
		"name: n\nlevels: [0]\n":                false,
		"name: n\nlabels: {a: 1}\n":             false,
		"name: n\nhooks: {a: {x: 1}}\n":         false,
		"name: n\nhooks: {a: {match: b}}\n":     true,
		"name: n\nstrict: maybe\n":              false,
		"name: n\nwindow: {match: x, age: 5}\n": false,
	} {
		if err := s.Validate(asJSON(t, text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if _, faults := parseSample(t, text); (faults == nil) != good {
			t.Errorf("%q: Parse disagrees: %v", text, faults)
		}
	}
}

// uncommented turns every commented-out key of an example on.
func uncommented(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		trimmed := bytes.TrimLeft(line, " ")
		if bytes.HasPrefix(trimmed, []byte("#")) && !bytes.HasPrefix(trimmed, []byte("# ")) {
			line = append(bytes.Clone(line[:len(line)-len(trimmed)]), trimmed[1:]...)
		}
		out.Write(line)
	}
	return out.Bytes()
}
