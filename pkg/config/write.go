package config

import (
	"bytes"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// write lays entries out as a file, under a head of comment lines. It is done
// by hand since the library places comments by rules of its own, and this file
// has to be the same byte for byte after an update of the library.
func write(head string, entries []entry) []byte {
	var out bytes.Buffer
	out.WriteString(head)
	for _, e := range entries {
		if out.Len() > 0 && e.comment != "" {
			out.WriteByte('\n')
		}
		writeEntry(&out, "", e, false)
	}
	return out.Bytes()
}

func writeEntry(out *bytes.Buffer, indent string, e entry, off bool) {
	off = off || e.off
	if e.comment != "" {
		out.WriteString(indent + "# " + e.comment + "\n")
	}
	out.WriteString(indent)
	if off {
		out.WriteByte('#')
	}
	if e.key != "" {
		out.WriteString(scalarYAML(e.key) + ":")
	} else {
		out.WriteByte('-')
	}
	var inner bytes.Buffer
	for _, i := range e.inner {
		writeEntry(&inner, indent+"  ", i, off)
	}
	switch {
	case e.text != "":
		out.WriteString(" " + e.text + "\n")
	case e.key == "" && !off && e.inner[0].comment == "":
		// The first key of an element stands beside its hyphen.
		out.WriteString(" " + inner.String()[len(indent)+2:])
	default:
		out.WriteString("\n" + inner.String())
	}
}

var (
	bareWord = regexp.MustCompile(`^[A-Za-z0-9_./][A-Za-z0-9_./@:+~-]*$`)
	// A boolean or a base-60 number to YAML 1.1, a string to YAML 1.2.
	oldMeaning = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|[0-9][0-9_]*(:[0-9_]+)+(\.[0-9_]*)?)$`)
)

// scalarYAML writes a string so that YAML reads it back as that string, bare
// where no reader can take it for something else.
func scalarYAML(s string) string {
	if bareWord.MatchString(s) && !oldMeaning.MatchString(s) {
		var n yaml.Node
		if err := yaml.Load([]byte(s), &n); err == nil && len(n.Content) == 1 {
			if value := n.Content[0]; value.Kind == yaml.ScalarNode && value.Tag == "!!str" && value.Value == s {
				return s
			}
		}
	}
	return strconv.Quote(s)
}
