package main

import (
	"regexp"
	"strings"
)

// pingError means that the run says nothing of the registry: its first request, GET /v2/, was not answered with 200.
type pingError struct {
	Reason string // one line
}

func (e *pingError) Error() string { return "the registry could not be used: GET /v2/: " + e.Reason }

var statusLine = regexp.MustCompile(`(?m)^Status: (\d+)$`)

// checkPing returns a *pingError unless the runner's "ping" was answered with 200 in the end.
//
// The runner calls every answer a pass there, 401 included. Two runs with a wrong password would then agree in a thousand
// failures, and a comparison of them would prove nothing. The report has the status only in the exchange; the last one
// counts, because a 401 is answered with the credentials.
func checkPing(t junitTest) error {
	if t.Status != "passed" {
		return &pingError{Reason: strings.ReplaceAll(t.Message, "\n", "; ")}
	}
	found := statusLine.FindAllStringSubmatch(t.Exchange, -1)
	if len(found) == 0 {
		return &pingError{Reason: "no status in the report"}
	}
	if status := found[len(found)-1][1]; status != "200" {
		return &pingError{Reason: "status " + status}
	}
	return nil
}
