package compose

import (
	"bytes"
	"regexp"
)

// secretKey finds the key of a secret in a line of YAML, also one that is
// quoted, commented out or inside of braces. What follows it is the secret.
var secretKey = regexp.MustCompile(`(?i)^.*?\b(?:secret|secretkey|accesskey|accountkey|password|authorization)\b["']?\s*:`)

// mask hides the values of secrets, so that a diff can be shown and kept: the
// rest of the line and all lines below that are indented deeper, for a value may
// stand there. It rather hides too much: the file may have been edited by hand.
func mask(data []byte) []byte {
	var out []byte
	hidden := -1 // what is indented deeper than this is hidden
	for line := range bytes.Lines(data) {
		text := bytes.TrimLeft(line, " \t")
		indent := len(line) - len(text)
		switch key := secretKey.Find(line); {
		case hidden >= 0 && (indent > hidden || len(bytes.TrimSpace(text)) == 0):
		case key != nil:
			hidden = indent
			out = append(append(out, key...), " (not shown)\n"...)
		default:
			hidden = -1
			out = append(out, line...)
		}
	}
	return out
}
