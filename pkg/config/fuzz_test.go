package config

import (
	"errors"
	"reflect"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(head))
	f.Add(Example())
	f.Add(uncommented(Example()))
	for _, tt := range faultCases {
		if len(tt.text) < 1000 {
			f.Add([]byte(tt.text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err == nil {
			if faults := c.Validate(); faults != nil {
				t.Errorf("Validate finds %v in what Parse accepts", faults)
			}
			if d := Diff(c, c); d != nil {
				t.Errorf("differs from itself: %v", d)
			}
			roundTrip(t, c)
			return
		}
		var invalid *Invalid
		if !errors.As(err, &invalid) || c != nil || len(invalid.Faults) == 0 {
			t.Fatalf("got %v, %v", c, err)
		}
		checkStyle(t, err)
		for _, fault := range invalid.Faults {
			if fault.Line < 0 || fault.Line > lineCount(data) || fault.Message == "" || unprintable(fault.String()) {
				t.Errorf("fault %#v of a file of %d lines", fault, lineCount(data))
			}
		}
		if again, err2 := Parse(data); again != nil || !reflect.DeepEqual(err, err2) {
			t.Errorf("a second run says %v, the first said %v", err2, err)
		}
	})
}

func lineCount(data []byte) int {
	lines := 1
	for i, b := range data {
		// YAML ends a line with CR, LF or CRLF.
		if b == '\n' || b == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			lines++
		}
	}
	return lines
}
