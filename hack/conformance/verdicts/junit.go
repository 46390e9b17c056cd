package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
)

// suiteName is the runner's name for the whole, in front of every test's name.
const suiteName = "OCI Conformance Test"

// junitReport is the part of junit.xml that is read. The runner puts the verdict into an attribute of its own rather than
// into JUnit's elements, the errors into system-out and the requests with their answers into system-err.
type junitReport struct {
	Suites []struct {
		Errors int         `xml:"errors,attr"`
		Tests  []junitTest `xml:"testcase"`
	} `xml:"testsuite"`
}

type junitTest struct {
	Name     string `xml:"name,attr"`
	Status   string `xml:"status,attr"`
	Message  string `xml:"system-out"`
	Exchange string `xml:"system-err"`
}

// readJUnit returns one verdict for each test in the runner's JUnit report, or a *pingError if the registry took none of
// the requests seriously.
func readJUnit(path string) ([]verdict, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report junitReport
	if err := xml.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	words := map[string]string{"passed": "pass", "failure": "fail", "skipped": "skip", "error": "error"}
	var tests []verdict
	for _, suite := range report.Suites {
		errs := 0
		for _, t := range suite.Tests {
			status, ok := words[t.Status]
			if !ok {
				return nil, fmt.Errorf("%s: test %q: unknown status %q", path, t.Name, t.Status)
			}
			name := strings.TrimPrefix(t.Name, suiteName+"/")
			if name == "ping" && status != "skip" {
				if err := checkPing(t); err != nil {
					return nil, err
				}
			}
			if status == "error" {
				errs++
			}
			tests = append(tests, verdict{status, "test " + name})
		}
		// An error in a group of tests is counted but has no test of its own.
		for ; errs < suite.Errors; errs++ {
			tests = append(tests, verdict{"error", "test (the runner itself)"})
		}
	}
	return tests, nil
}
