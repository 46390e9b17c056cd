//go:build !linux

package ui

// hideInput does nothing: term.ReadPassword hides what is typed from a few
// microseconds after the prompt on.
func hideInput(int) (show func()) { return func() {} }
