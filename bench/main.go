// Command bench measures regctl against what it is to be measured against, in
// one run on one machine, prints a table and writes it to docs/benchmarks.md.
//
// Figures that compare are ratios of medians of alternating runs: machines drift,
// and two medians of one run drift together.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	what, figure, against, ratio string
}

func main() {
	root, err := os.Getwd()
	if err == nil {
		err = run(root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	b, err := newBench(root)
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, measure := range []func() ([]row, error){b.size, b.help, b.initialise, b.up} {
		got, err := measure()
		if err != nil {
			return err
		}
		for _, r := range got {
			fmt.Printf("%-52s %14s %20s %8s\n", r.what, r.figure, r.against, r.ratio)
		}
		rows = append(rows, got...)
	}
	text := document(rows, b.machine())
	return os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(text), 0o644)
}

func document(rows []row, machine string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` on %s. %s\n\n", time.Now().UTC().Format(time.DateOnly), machine)
	b.WriteString("Ratios are of medians of runs that took turns; single times depend on the machine and on what else it did.\n\n")
	b.WriteString("| measure | figure | against | ratio |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.figure, r.against, r.ratio)
	}
	return b.String()
}
