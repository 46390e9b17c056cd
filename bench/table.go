package main

import (
	"fmt"
	"strings"
	"time"
)

// row is one line of the table. ratio is 0 where nothing is compared.
type row struct {
	what, figure, against string
	ratio                 float64
	must                  bound
}

// bound is what a row has to reach. The zero bound is reached by anything.
type bound struct {
	text string
	ok   bool
}

// atLeast and atMost judge a ratio.
func atLeast(ratio, want float64) bound {
	return bound{fmt.Sprintf("at least %g", want), ratio >= want}
}

func atMost(ratio, want float64) bound {
	return bound{fmt.Sprintf("at most %g", want), ratio <= want}
}

func (r row) ratioText() string {
	switch {
	case r.ratio == 0:
		return ""
	case r.ratio >= 10:
		return fmt.Sprintf("%.0f", r.ratio)
	}
	return fmt.Sprintf("%.2f", r.ratio)
}

func (r row) reached() string {
	switch {
	case r.must.text == "":
		return ""
	case r.must.ok:
		return "yes"
	}
	return "**no**"
}

// line is the row for a terminal.
func (r row) line() string {
	return strings.TrimRight(fmt.Sprintf("%-66s %20s %34s %6s  %-14s %s",
		r.what, r.figure, r.against, r.ratioText(), r.must.text, strings.Trim(r.reached(), "*")), " ")
}

// document is docs/benchmarks.md.
func document(rows []row, about string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` on %s. %s\n\n", time.Now().UTC().Format(time.DateOnly), about)
	b.WriteString("Ratios are of medians of runs that took turns; single times depend on the machine and on what else it did. ")
	b.WriteString("\"The recipe\" is the stack in `bench/recipe`, \"a plain file\" is Nginx in `bench/static` sending the same bytes; ")
	b.WriteString("all use the same images, certificate and load generator, which runs on the same cores.\n\n")
	b.WriteString("| measure | figure | against | ratio | must reach | reached |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.what, r.figure, r.against, r.ratioText(), r.must.text, r.reached())
	}
	return b.String()
}

// missed is an error that names the rows that did not reach what they must.
func missed(rows []row) error {
	var names []string
	for _, r := range rows {
		if r.must.text != "" && !r.must.ok {
			names = append(names, fmt.Sprintf("%s: %s, must be %s", r.what, r.got(), r.must.text))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("not reached:\n  %s", strings.Join(names, "\n  "))
}

// got is what a row found, as it is judged.
func (r row) got() string {
	if r.ratio == 0 {
		return r.figure
	}
	return r.ratioText()
}
