package schedule

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/advice"
)

// broken ends the first mark of a block before which a line break was put: the
// crontab did not end in one, and is to be what it was when the block goes.
const broken = " (the line before had no end)"

// span is where a block stands in a crontab.
type span struct {
	start, end int
	broken     bool // the line break before start is ours
}

// text is the block as it was rendered.
func (s *span) text(table []byte) string {
	text := string(table[s.start:s.end])
	if s.broken {
		text = strings.Replace(text, broken, "", 1)
	}
	return text
}

// findBlock finds the block of a project, nil if there is none. Marks that are
// not one begin and one end after it are an error: what is between which is a
// guess, and lines of the person's own may be among it.
func findBlock(table []byte, project string) (*span, error) {
	var begins, ends []span
	at := 0
	for line := range bytes.Lines(table) {
		next := at + len(line)
		switch text := strings.TrimRight(string(line), " \t\r\n"); text {
		case beginMark(project):
			begins = append(begins, span{start: at})
		case beginMark(project) + broken:
			begins = append(begins, span{start: at, broken: true})
		case endMark(project):
			ends = append(ends, span{end: next})
		}
		at = next
	}
	switch {
	case len(begins) == 0 && len(ends) == 0:
		return nil, nil
	case len(begins) != 1 || len(ends) != 1 || begins[0].start >= ends[0].end:
		return nil, advice.With(fmt.Errorf("the crontab has %d lines %q and %d lines %q, where one and then the other belongs", len(begins), beginMark(project), len(ends), endMark(project)),
			"take both away, and what regctl wrote between them: crontab -e")
	}
	b := span{begins[0].start, ends[0].end, begins[0].broken}
	if b.broken && (b.start == 0 || table[b.start-1] != '\n') {
		b.broken = false
	}
	return &b, nil
}

// withBlock puts a block where the one of the project is, or at the end.
func withBlock(table []byte, project, block string) ([]byte, error) {
	b, err := findBlock(table, project)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = &span{start: len(table), end: len(table)}
		if len(table) > 0 && table[len(table)-1] != '\n' {
			table = append(slices.Clone(table), '\n')
			b = &span{len(table), len(table), true}
		}
	}
	if b.broken {
		block = strings.Replace(block, beginMark(project), beginMark(project)+broken, 1)
	}
	return slices.Concat(table[:b.start], []byte(block), table[b.end:]), nil
}

// withoutBlock takes the block of a project out.
func withoutBlock(table []byte, project string) ([]byte, error) {
	b, err := findBlock(table, project)
	if err != nil || b == nil {
		return table, err
	}
	// What was added below the block since then needs the line break.
	if b.broken && b.end == len(table) {
		b.start--
	}
	return slices.Concat(table[:b.start], table[b.end:]), nil
}
