package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// A verdict is one line of the list.
type verdict struct {
	Status string // pass, fail, skip, disabled, error
	Name   string
}

func (v verdict) String() string { return v.Status + " " + v.Name }

// errNoTests means that the reports hold no test at all: the runner was told to leave all out.
var errNoTests = errors.New("no test was run")

// readResults returns the verdicts of the run whose reports are in dir, sorted by name, so that a changed verdict stays
// next to its old one in a diff.
//
// Both reports are needed: junit.xml has the tests, but calls a disabled one skipped; results.yaml has only summaries,
// but tells the two apart.
func readResults(dir string) ([]verdict, error) {
	tests, err := readJUnit(filepath.Join(dir, "junit.xml"))
	if err != nil {
		return nil, err
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, errNoTests)
	}
	summaries, err := readSummaries(filepath.Join(dir, "results.yaml"))
	if err != nil {
		return nil, err
	}
	all := append(tests, summaries...)
	slices.SortFunc(all, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Status, b.Status))
	})
	return all, nil
}
