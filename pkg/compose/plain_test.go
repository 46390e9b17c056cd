package compose

import (
	"bytes"
	"testing"
)

func TestPlainWriter(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"\x1b[2Kone\n\x1b[2Ktwo\n", "one\ntwo\n"},
		{"no sequence", "no sequence"},
		{"\x1b[2K\x1b[2Kx", "x"},
		{"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"},
		{"ends in\x1b[2", "ends in\x1b[2"},
		{"\x1b\x1b[2Kx\x1b", "\x1bx\x1b"},
		{"", ""},
	} {
		// In one piece, in two at every place, and byte by byte.
		pieces := [][]string{{c.in}}
		for i := range c.in {
			pieces = append(pieces, []string{c.in[:i], c.in[i:]})
		}
		var single []string
		for i := range c.in {
			single = append(single, c.in[i:i+1])
		}
		for _, parts := range append(pieces, single) {
			var out bytes.Buffer
			w := &plainWriter{out: &out}
			for _, part := range parts {
				if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatalf("%q: %d, %v", part, n, err)
				}
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("%q: %q, want %q", parts, out.String(), c.want)
			}
		}
	}
}
