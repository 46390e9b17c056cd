package config

import (
	"fmt"
	"slices"
)

// Fault is one thing wrong with a configuration.
type Fault struct {
	// Path is where: "tls.mode", "retention[2].keep"; "" is the whole file.
	Path string `json:"path"`
	// Line is the line in the file, counted from 1; 0 when there is none, as
	// for a key that is missing.
	Line int `json:"line"`
	// Message says what is wrong and what is wanted, without the path.
	Message string `json:"message"`
}

// String returns the fault as one line without the file's name.
func (f Fault) String() string {
	text := f.Message
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line > 0 {
		text = fmt.Sprintf("line %d: %s", f.Line, text)
	}
	return text
}

// Invalid is the error of a configuration with faults.
type Invalid struct {
	File   string  // path as it was given to Load; "" for Parse
	Faults []Fault // never empty, sorted by line
}

// Error names the first fault and the number of the others, in one line.
func (e *Invalid) Error() string {
	name := e.File
	if name == "" {
		name = FileName
	}
	if len(e.Faults) == 0 {
		return name + ": invalid"
	}
	text := fmt.Sprintf("%s: %s", name, e.Faults[0])
	switch more := len(e.Faults) - 1; more {
	case 0:
		return text
	case 1:
		return text + " (and 1 more fault)"
	default:
		return fmt.Sprintf("%s (and %d more faults)", text, more)
	}
}

// sortFaults orders by line; faults of one line, and those without one, which
// come first, keep the order of the keys in Config.
func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Line - b.Line })
}
