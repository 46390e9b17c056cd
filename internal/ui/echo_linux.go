package ui

import "golang.org/x/sys/unix"

// hideInput stops a terminal from showing what is typed, and returns what
// undoes that. A terminal that refuses is left as it is: term.ReadPassword
// tells of the error right after.
func hideInput(fd int) (show func()) {
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	hidden := *was
	hidden.Lflag &^= unix.ECHO
	if unix.IoctlSetTermios(fd, unix.TCSETS, &hidden) != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }
}
