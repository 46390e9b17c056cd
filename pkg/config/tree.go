package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parseTree reads the one document of a file. What it refuses leaves nothing to
// look at, so there is a single fault.
func parseTree(data []byte) (*yaml.Node, *Fault) {
	whole := func(line int, format string, args ...any) (*yaml.Node, *Fault) {
		return nil, &Fault{Line: line, Message: fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxSize {
		return whole(0, "larger than %d bytes", MaxSize)
	}
	if line, problem := notText(data); problem != "" {
		return whole(line, "%s: save the file as UTF-8 text", problem)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return whole(0, "cannot be read: %v", err)
	}
	var document, more yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return whole(0, "is empty")
	} else if err != nil {
		return nil, syntaxFault(data, err)
	}
	if err := loader.Load(&more); err == nil {
		return whole(more.Line, "holds more than one YAML document: keep one")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxFault(data, err)
	}
	root := &document
	if document.Kind == yaml.DocumentNode {
		if len(document.Content) == 0 {
			return whole(0, "is empty")
		}
		root = document.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return whole(0, "is empty")
	}
	var d decoder
	if !d.plainNode("", root.Line, root) {
		return nil, &d.faults[0]
	}
	if root.Kind != yaml.MappingNode {
		return whole(root.Line, "has to be a group of keys at the top, not %s", kindName(root))
	}
	return root, nil
}

// syntaxFault keeps the line of a syntax error. A construct that is never
// closed is reported after the last line; the last line is nearer to it.
func syntaxFault(data []byte, err error) *Fault {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &Fault{Message: "is not YAML: " + oneLine(err.Error())}
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	line := min(load.Mark.Line, len(lines))
	if line > 0 && hasTabIndent(lines[line-1]) {
		return &Fault{Line: line, Message: "is indented with a tab: YAML wants spaces"}
	}
	return &Fault{Line: line, Message: "is not YAML: " + oneLine(load.Message)}
}

// hasTabIndent tells whether a tab stands before the first letter of a line,
// the commonest of all syntax errors.
func hasTabIndent(line string) bool {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return strings.Contains(indent, "\t")
}

// oneLine makes the library's text, which repeats names from the file as they
// are, fit into a message.
func oneLine(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	return shortenTo(2*maxShown, strings.Join(words, " "))
}

// notText finds what no text file holds, and the line it is on.
func notText(data []byte) (line int, problem string) {
	line = 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == 0:
			return line, "contains a NUL byte"
		case r == utf8.RuneError && size == 1:
			return line, "is not valid UTF-8"
		case r == '\n':
			line++
		case unicode.IsControl(r) && r != '\t' && r != '\r':
			return line, fmt.Sprintf("contains the control character %U", r)
		}
		i += size
	}
	return 0, ""
}
