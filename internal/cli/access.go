package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regctl/regctl/internal/ui"
)

// accessLine is one line of the access log as Nginx writes it.
type accessLine struct {
	Time       time.Time `json:"time"`
	Address    string    `json:"address"`
	User       string    `json:"user"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Verb       string    `json:"verb"`
	Repository string    `json:"repository"`
	Reference  string    `json:"reference"`
	Decision   string    `json:"decision"`
	Memory     string    `json:"memory"`
	Status     int       `json:"status"`
	Received   int64     `json:"received"`
	Sent       int64     `json:"sent"`
	Seconds    float64   `json:"seconds"`
	Agent      string    `json:"agent"`
}

// lineWriter hands on what is written to it line by line, in whatever pieces it
// comes. A line without an end is not complete, and left out.
type lineWriter struct {
	each func(line []byte) error
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := w.rest[:i]
		w.rest = w.rest[i+1:]
		if err := w.each(line); err != nil {
			return 0, err
		}
	}
}

// readAccess reads a line of Nginx's log; ok is false where it is none of the
// access log.
func readAccess(line []byte) (l accessLine, ok bool) {
	ok = bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &l) == nil && !l.Time.IsZero() && l.Path != ""
	return l, ok
}

// accessWriter turns Nginx's log into the access log for a person, a line a
// request. Lines that are none are left out. With raw set they pass as they are.
func accessWriter(out io.Writer, raw bool) io.Writer {
	return &lineWriter{each: func(line []byte) error {
		l, ok := readAccess(line)
		if !ok {
			return nil
		}
		text := l.text()
		if raw {
			text = string(line)
		}
		_, err := fmt.Fprintln(out, text)
		return err
	}}
}

// text is what happened, for a person: when, who, what, how it ended.
func (l accessLine) text() string {
	user := l.User
	if user == "" {
		user = "-"
	}
	what := l.Path
	if l.Repository != "" {
		what = l.Repository
		if strings.Contains(l.Reference, ":") {
			what += "@" + l.Reference
		} else if l.Reference != "" {
			what += ":" + l.Reference
		}
	}
	decision := l.Decision
	if decision == "" || decision == "allowed" {
		decision = ""
	} else {
		decision = "  refused: " + decision
	}
	size := l.Sent
	if l.Received > size {
		size = l.Received
	}
	return fmt.Sprintf("%s  %-12s %-15s %-6s %3d %9s %7.3fs  %s%s", l.Time.Local().Format(time.DateTime),
		user, l.Address, l.Method, l.Status, ui.Bytes(size), l.Seconds, what, decision)
}
