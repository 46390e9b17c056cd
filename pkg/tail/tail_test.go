package tail

import (
	"io"
	"strings"
	"sync"
	"testing"
)

func TestWriter(t *testing.T) {
	bytes := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	for _, parts := range [][]string{{}, {"ab"}, {"abcde"}, {"abc", "de"}, {"abc", "def", "", "gh"}, {"abcdefgh", "ij"}, {"a", "bcdefghij"},
		{"ab", "cdefg"}, {"abcde", "fghij"}, {"abcdef"}, {"abcde", "f"}, {"abcdefgh", ""}, bytes[:5], bytes[:6], bytes} {
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

// What is kept is all that it holds on to, however much comes.
func TestMuchIsWritten(t *testing.T) {
	w := Writer{Most: 100}
	for i := range 10_000 {
		io.WriteString(&w, strings.Repeat("x", i%300))
	}
	if len(w.kept) != 100 || cap(w.kept) > 1000 {
		t.Errorf("%d bytes in %d", len(w.kept), cap(w.kept))
	}
}

// A program's two outputs may be read by two.
func TestTwoWriteAtOnce(t *testing.T) {
	w := Writer{Most: 1 << 20}
	var both sync.WaitGroup
	for _, line := range []string{"out\n", "err\n"} {
		both.Go(func() {
			for range 1000 {
				io.WriteString(&w, line)
				_ = w.String()
			}
		})
	}
	both.Wait()
	for _, line := range []string{"out\n", "err\n"} {
		if n := strings.Count(w.String(), line); n != 1000 {
			t.Errorf("%q came %d times", line, n)
		}
	}
}
