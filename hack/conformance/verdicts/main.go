// Command verdicts reduces the reports of one run of the OCI distribution-spec conformance runner to a list that can be
// compared with another run's line by line: one line a test, sorted, without timings, digests or messages.
//
//	verdicts RESULTS
//
// RESULTS is the directory that the runner wrote its reports to. A line is a verdict (pass, fail, skip, disabled,
// error), a space and a name: "test ..." for a test, "api ..." and "data ..." for the runner's own summaries by API and
// by kind of content. Tests that the runner gives one name (one for each blob of an image, say) are one line each.
//
// Exit status: 0 a list was printed, whatever the verdicts; 1 the reports are not those of a whole run, or the registry
// could not be reached; 2 usage.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: verdicts RESULTS")
		return 2
	}
	lines, err := readResults(args[0])
	if err != nil {
		fmt.Fprintf(stderr, "verdicts: %v\n", err)
		return 1
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(stdout, l); err != nil {
			fmt.Fprintf(stderr, "verdicts: %v\n", err)
			return 1
		}
	}
	return 0
}
