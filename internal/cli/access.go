package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/accesslog"
)

// accessWriter turns Nginx's log into the access log for a person, a line a
// request; with raw set the lines pass as they are.
func accessWriter(out io.Writer, raw bool) io.Writer {
	return &accesslog.Reader{Each: func(l accesslog.Line, line []byte) error {
		text := accessText(l)
		if raw {
			text = string(line)
		}
		_, err := fmt.Fprintln(out, text)
		return err
	}}
}

// accessText is what happened, for a person: when, who, what, how it ended.
func accessText(l accesslog.Line) string {
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
