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
	"text/tabwriter"
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

// Table writes rows in columns, the first being the heading.
func Table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		// A trailing cell is not padded; an empty last one would leave blanks.
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	t.Flush()
}

// Bytes writes a size as people read it: 1.5 GiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for ; f >= unit && i < 4; i++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}
