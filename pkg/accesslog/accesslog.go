// Package accesslog reads the access log that the front door writes, a JSON
// object a line, out of whatever else Nginx says: what `regctl logs --access`
// shows, and when which tag was last pulled.
package accesslog

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Line is one request.
type Line struct {
	Time       time.Time `json:"time"`
	Address    string    `json:"address"`
	User       string    `json:"user"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Verb       string    `json:"verb"` // pull, push, delete or admin; empty: none of them
	Repository string    `json:"repository"`
	Reference  string    `json:"reference"` // tag or digest
	Decision   string    `json:"decision"`  // allowed, or why not
	Memory     string    `json:"memory"`
	Status     int       `json:"status"`
	Received   int64     `json:"received"` // bytes
	Sent       int64     `json:"sent"`     // bytes
	Seconds    float64   `json:"seconds"`
	Agent      string    `json:"agent"` // what the client calls itself
}

// OfManifest tells a request for a manifest that was answered as it was meant to
// be, with the verb pull, push or delete.
func (l Line) OfManifest(verb string) bool {
	return l.Verb == verb && l.Status >= 200 && l.Status < 300 && l.Repository != "" && l.Reference != "" &&
		strings.HasSuffix(l.Path, "/"+l.Repository+"/manifests/"+l.Reference)
}

// mostLine is the longest line that is looked at; those of the access log are a
// few hundred bytes.
const mostLine = 1 << 20

// Reader is a writer that takes the log in pieces of any size and calls Each for
// every request in it. What is no line of the access log is left out.
type Reader struct {
	// Each gets a request and the line it was read from, without its end, which
	// is good until Each returns. Its error ends the reading.
	Each func(l Line, raw []byte) error

	rest []byte
	skip bool // the rest of a line that is too long
}

// Write takes the next piece; a line is complete when its end came.
func (r *Reader) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			if len(r.rest)+len(p) > mostLine {
				r.rest, r.skip = nil, true
			}
			if !r.skip {
				r.rest = append(r.rest, p...)
			}
			return n, nil
		}
		line := p[:i]
		if len(r.rest) > 0 {
			line = append(r.rest, line...)
			r.rest = r.rest[:0]
		}
		skip := r.skip
		p, r.skip = p[i+1:], false
		if skip || len(line) == 0 || line[0] != '{' {
			continue
		}
		var l Line
		if json.Unmarshal(line, &l) != nil || l.Time.IsZero() || l.Path == "" {
			continue
		}
		if err := r.Each(l, bytes.TrimSuffix(line, []byte("\r"))); err != nil {
			return 0, err
		}
	}
}
