package tail

import (
	"io"
	"strings"
	"testing"
)

func TestWriter(t *testing.T) {
	for _, parts := range [][]string{{}, {"ab"}, {"abcde"}, {"abc", "de"}, {"abc", "def", "", "gh"}, {"abcdefgh", "ij"}, {"a", "bcdefghij"}} {
		w := Writer{Most: 5}
		all := strings.Join(parts, "")
		for _, p := range parts {
			if n, err := io.WriteString(&w, p); n != len(p) || err != nil {
				t.Errorf("%q: %d, %v", p, n, err)
			}
		}
		if got, want := w.String(), all[max(0, len(all)-5):]; got != want {
			t.Errorf("%q leaves %q, want %q", parts, got, want)
		}
	}
}
