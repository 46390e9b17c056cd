// Package ui is how regctl speaks: results on standard output as text or as one
// JSON document, progress, warnings and errors on standard error.
//
// A command hands over values; which of the two forms they take is decided
// here, once.
package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Result is what a command found or did. Its exported fields are its JSON.
type Result interface {
	// Text writes it for a person.
	Text(w io.Writer)
}

// UI is the set of a run's streams and how they are to be used.
type UI struct {
	Out, Err io.Writer
	JSON     bool // results as JSON
	Quiet    bool // no progress
	Verbose  bool // also details
	Plain    bool // no line is rewritten, as with NO_COLOR
}

// Result prints a command's result.
func (u *UI) Result(r Result) error {
	if !u.JSON {
		var b strings.Builder
		r.Text(&b)
		_, err := io.WriteString(u.Out, b.String())
		return err
	}
	enc := json.NewEncoder(u.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// Step says what is being done now.
func (u *UI) Step(format string, args ...any) {
	if !u.Quiet {
		fmt.Fprintf(u.Err, format+"\n", args...)
	}
}

// Detail says what only a curious person wants to know.
func (u *UI) Detail(format string, args ...any) {
	if u.Verbose && !u.Quiet {
		fmt.Fprintf(u.Err, format+"\n", args...)
	}
}

// Warn says what a person should know although the run goes on. It is said
// under --quiet too.
func (u *UI) Warn(format string, args ...any) {
	fmt.Fprintf(u.Err, "warning: "+format+"\n", args...)
}

// Table writes rows in columns, the first row being the heading. (text/tabwriter
// would not do: it ends a column at the first row that has nothing in it.)
func Table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// Bytes writes a size as people read it: 1.5 GiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for ; f >= unit-0.05 && i < 4; i++ { // what would be written as 1024.0 too
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}
