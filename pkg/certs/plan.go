package certs

import (
	"fmt"
	"strings"
)

// Plan is what LocalCA would do, with what it would write already made.
type Plan struct {
	Name      string   // under which the certificate is stored
	Names     string   // what it is for, separated by commas
	CreateCA  bool     // a CA that no client knows yet
	IssueLeaf bool     // a new certificate
	Why       string   // the reason for it, "" when there is nothing to do
	Warnings  []string // what a person should look at

	ca       *authority
	writeKey bool
	leaf     Pair
}

// String is the plan for a person, a line a step, "" when there is nothing to
// do.
func (p Plan) String() string {
	var b strings.Builder
	if p.CreateCA {
		fmt.Fprintf(&b, "create a local CA for %s\n", p.Names)
	}
	if p.IssueLeaf {
		fmt.Fprintf(&b, "issue a certificate for %s (%s)\n", p.Names, p.Why)
	}
	return b.String()
}

// GoString is String: a plan holds keys.
func (p Plan) GoString() string { return p.String() }
