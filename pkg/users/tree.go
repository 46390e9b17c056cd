package users

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// kind is what a JSON value is, as a message says it.
type kind string

const (
	kindObject kind = "an object"
	kindList   kind = "a list"
	kindString kind = "a text"
	kindNumber kind = "a number"
	kindBool   kind = "true or false"
	kindNull   kind = "null"
)

// node is a JSON value with its place. Decoding into structs would take "Pull"
// for "pull" and the last of two equal names, and could not tell where a fault
// is; the front door's JSON.parse does otherwise.
type node struct {
	kind    kind
	line    int    // counted from 1
	text    string // of a string, number or bool
	items   []*node
	members []member
}

type member struct {
	name  string
	value *node
}

// member returns the first value of that name, nil when there is none.
func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// String is the value as a message shows it.
func (n *node) String() string {
	switch n.kind {
	case kindString:
		return quoted(n.text)
	case kindNumber, kindBool:
		return n.text
	}
	return string(n.kind)
}

// treeError says why something is not JSON.
type treeError struct {
	line    int
	message string
}

// deepest is more than any rights file needs and bounds the recursion.
const deepest = 16

func readTree(data []byte) (*node, *treeError) {
	if !utf8.Valid(data) {
		return nil, &treeError{lineAt(data, invalidAt(data)), "has bytes that are no UTF-8 text"}
	}
	// As a whole first: reading by tokens does not look at what comes after.
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		offset := len(data)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(syntax.Offset)
		}
		return nil, &treeError{lineAt(data, offset), fmt.Sprintf("is no JSON: %v", err)}
	}
	r := &treeReader{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	root := r.value(0)
	return root, r.err
}

type treeReader struct {
	data []byte
	dec  *json.Decoder
	err  *treeError
	line int // of offset
	at   int // offset
}

// token reads on and keeps the line of what it read.
func (r *treeReader) token() json.Token {
	t, err := r.dec.Token()
	if err != nil && r.err == nil && !errors.Is(err, io.EOF) {
		r.err = &treeError{r.line, fmt.Sprintf("is no JSON: %v", err)}
	}
	if r.line == 0 {
		r.line = 1
	}
	end := int(r.dec.InputOffset())
	r.line += bytes.Count(r.data[r.at:end], []byte("\n"))
	r.at = end
	return t
}

func (r *treeReader) value(depth int) *node {
	t := r.token()
	n := &node{kind: kindNull, line: r.line}
	switch t := t.(type) {
	case string:
		n.kind, n.text = kindString, t
	case json.Number:
		n.kind, n.text = kindNumber, t.String()
	case bool:
		n.kind, n.text = kindBool, fmt.Sprint(t)
	case json.Delim:
		n.kind = kindList
		if t == '{' {
			n.kind = kindObject
		}
		r.inside(n, depth+1)
	}
	return n
}

// inside reads what is in an object or a list, up to its end.
func (r *treeReader) inside(n *node, depth int) {
	if depth > deepest {
		r.err = &treeError{n.line, "is nested too deep"}
	}
	for r.err == nil && r.dec.More() {
		if n.kind == kindList {
			n.items = append(n.items, r.value(depth))
			continue
		}
		name, _ := r.token().(string)
		n.members = append(n.members, member{name, r.value(depth)})
	}
	if r.err == nil {
		r.token() // the end
	}
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

// invalidAt is the offset of the first byte that is no UTF-8.
func invalidAt(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}
