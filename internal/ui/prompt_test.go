package ui

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

func TestReadPasswordFromPipe(t *testing.T) {
	tests := map[string]string{
		"":                        "",
		"\n":                      "",
		"\r\n":                    "",
		"secret":                  "secret",
		"secret\n":                "secret",
		"secret\r\n":              "secret",
		"secret\r":                "secret\r", // no line end: the last character
		"secret\n\n":              "secret\n", // refused later: which line is meant?
		"two words \n":            "two words ",
		" \tsecret":               " \tsecret",
		"a\nb\n":                  "a\nb",
		"\x00\n":                  "\x00",
		"pässwörd\n":              "pässwörd",
		strings.Repeat("x", 72):   strings.Repeat("x", 72),
		strings.Repeat("x", 5000): strings.Repeat("x", maxPassword),
	}
	for in, want := range tests {
		var out, errs bytes.Buffer
		u := UI{Out: &out, Err: &errs}
		got, err := u.ReadPassword(strings.NewReader(in))
		if err != nil || string(got) != want {
			t.Errorf("%.20q gives %.20q (%d bytes), %v", in, got, len(got), err)
		}
		if out.Len()+errs.Len() > 0 {
			t.Errorf("%.20q: a prompt without a terminal: %q %q", in, out.String(), errs.String())
		}
	}
}

func TestReadPasswordFails(t *testing.T) {
	r, w := io.Pipe()
	w.CloseWithError(os.ErrClosed)
	u := UI{Err: io.Discard}
	if p, err := u.ReadPassword(r); err != os.ErrClosed || p != nil {
		t.Errorf("got %q, %v", p, err)
	}
}

func TestReadPasswordOnTerminal(t *testing.T) {
	tty, person := terminal(t)
	asked := make(chan struct{})
	u := UI{Err: notify{asked}}
	go func() {
		<-asked
		io.WriteString(person, "hidden words\n")
	}()
	got, err := u.ReadPassword(tty)
	if err != nil || string(got) != "hidden words" {
		t.Errorf("got %q, %v", got, err)
	}
	if !IsTerminal(tty) || IsTerminal(strings.NewReader("")) || IsTerminal(nil) {
		t.Error("IsTerminal does not tell a terminal")
	}
	// What the terminal showed is what a person at it sees.
	tty.Close()
	shown, _ := io.ReadAll(person) // ends with an error once the other side is closed
	if strings.Contains(string(shown), "hidden") {
		t.Errorf("the password was shown: %q", shown)
	}
}

// notify tells once that something was written: that is after echo was
// turned off, which comes before the prompt.
type notify struct{ asked chan struct{} }

func (n notify) Write(p []byte) (int, error) {
	select {
	case <-n.asked:
	default:
		close(n.asked)
	}
	return len(p), nil
}
