package ui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Without a terminal each phase is a line, however often it is told.
func TestProgressInLines(t *testing.T) {
	var out bytes.Buffer
	p := Progress{UI: &UI{Err: &out}}
	for i := range int64(1000) {
		p.Show("reading", i, 1000, 0, "")
	}
	p.Show("sweeping", 0, 0, 0, "")
	p.End()
	if got := out.String(); got != "reading\nsweeping\n" {
		t.Errorf("%q", got)
	}
	out.Reset()
	p = Progress{UI: &UI{Err: &out, Quiet: true}}
	p.Show("reading", 1, 2, 3, "")
	if out.Len() > 0 {
		t.Errorf("under --quiet: %q", out.String())
	}
}

// On a terminal one line is rewritten, not too often, and cleared at the end.
func TestProgressOnTerminal(t *testing.T) {
	tty, person := terminal(t)
	now := time.Unix(1000, 0)
	p := Progress{UI: &UI{Err: tty}, Now: func() time.Time { return now }}
	p.Show("reading", 1, 10, 2048, "")
	p.Show("reading", 2, 10, 2048, "") // at once: not shown
	now = now.Add(time.Second)
	p.Show("reading", 3, 10, 0, "")
	p.End()
	fmt.Fprint(tty, "end")
	got := ""
	for buf := make([]byte, 4096); !strings.HasSuffix(got, "end"); {
		n, err := person.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	got = strings.TrimSuffix(got, "end")
	for _, want := range []string{"\rreading 1 of 10, 2.0 KiB", "\rreading 3 of 10"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if strings.Contains(got, "2 of 10,") || strings.Contains(got, "\n") || !strings.HasSuffix(got, "\r") {
		t.Errorf("%q", got)
	}
}
