package config

import (
	"reflect"
	"testing"
)

func TestDiff(t *testing.T) {
	a, b := New("reg", "localhost", ""), New("reg", "registry.example.com", ModeFiles)
	if got := Diff(a, New("reg", "localhost", "")); got != nil {
		t.Errorf("equal: %v", got)
	}
	b.StopGrace, b.TLS.Cert, b.HTTPPort = 60e9, "c", 80
	want := []Difference{
		{"domain", "localhost", "registry.example.com"},
		{"http_port", "0", "80"},
		{"tls.mode", "selfsigned", "files"},
		{"tls.cert", "", "c"},
		{"stop_grace", "5m", "1m"},
	}
	if got := Diff(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestDiffOfLists has elements that only one side has.
func TestDiffOfLists(t *testing.T) {
	of := func(s *sample) []leaf { return appendLeaves(nil, "", reflect.ValueOf(s).Elem()) }
	a, b := newSample(), newSample()
	a.Exempt, b.Exempt = []string{"a", "b"}, []string{"c"}
	b.Labels["team"] = "web"
	want := []Difference{{"exempt[0]", "a", "c"}, {"exempt[1]", "b", ""}, {"labels.team", "", "web"}}
	if got := diffLeaves(of(a), of(b)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestLeaves: every value has a path of its own, whatever its type.
func TestLeaves(t *testing.T) {
	want := []leaf{
		{"name", "n"},
		{"rules[0].match", "a"}, {"rules[0].keep", "5"}, {"rules[0].age", "30d"},
		{"rules[1].match", "b"}, {"rules[1].keep", "10"}, {"rules[1].age", "12h"}, {"rules[1].tags[0]", "v1"}, {"rules[1].tags[1]", "v2"},
		{"exempt[0]", "b"},
		{`labels["odd key: #"]`, "1"}, {"labels.team", "web"},
		{"hooks.nightly.match", "c"}, {"hooks.nightly.keep", "10"}, {"hooks.nightly.age", "30d"},
		{"strict", "false"},
		{"window.match", "w"}, {"window.keep", "10"}, {"window.age", "30d"},
		{"on", "false"},
	}
	if got := appendLeaves(nil, "", reflect.ValueOf(sampleWant()).Elem()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
