package main

import (
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		bound bound
		text  string
		ok    bool
	}{
		{atLeast(1.4, 1.4), "at least 1.4", true},
		{atLeast(1.39, 1.4), "at least 1.4", false},
		{atMost(0.75, 0.75), "at most 0.75", true},
		{atMost(0.76, 0.75), "at most 0.75", false},
	} {
		if test.bound.text != test.text || test.bound.ok != test.ok {
			t.Errorf("%+v, want %q %t", test.bound, test.text, test.ok)
		}
	}
}

func TestMissedNamesWhatWasNotReached(t *testing.T) {
	rows := []row{
		{what: "plain", figure: "1"},
		{what: "good", ratio: 2, must: atLeast(2, 1)},
		{what: "slow", figure: "9 s", ratio: 1.234, must: atMost(1.234, 1)},
		{what: "failed", figure: "3 of 10", must: bound{"0", false}},
	}
	if err := missed(rows[:2]); err != nil {
		t.Error(err)
	}
	err := missed(rows)
	if err == nil {
		t.Fatal("no error")
	}
	want := "not reached:\n  slow: 1.23, must be at most 1\n  failed: 3 of 10, must be 0"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	text := document(rows, "Somewhere.")
	for _, line := range []string{"| plain | 1 |  |  |  |  |", "| good |  |  | 2.00 | at least 1 | yes |", "| slow | 9 s |  | 1.23 | at most 1 | **no** |"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestChosen(t *testing.T) {
	all := (&bench{}).measures()
	for list, want := range map[string]string{
		"front.push":          "front.push",
		"front.push,cli.size": "cli.size front.push",
		"cli":                 "cli.size cli.help cli.init cli.up cli.look",
	} {
		got, err := chosen(all, list)
		if err != nil {
			t.Errorf("%s: %v", list, err)
		}
		var names []string
		for _, m := range got {
			names = append(names, m.name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: %v, want %s", list, names, want)
		}
	}
	if _, err := chosen(all, "cli,front.nothing"); err == nil {
		t.Error("a name that no measure has is taken")
	}
}
