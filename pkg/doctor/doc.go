// Package doctor looks for what breaks a registry's stack: a table of checks, each
// with a stable ID, over facts that were gathered before.
//
// A check is pure: it is given facts and says what it saw, so that each can be
// tried without a stack. Who gathers (internal/cli) fills in what could be found
// out and leaves the rest nil or empty; a check says nothing of what is not known.
// Only [Probe] touches anything outside: it asks the front door as a client would.
package doctor
