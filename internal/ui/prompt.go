package ui

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// IsTerminal tells whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// maxPassword bounds what is read as a password; anything near it is a mistake
// such as a file piped in, and is refused later for its length.
const maxPassword = 4096

// ReadPassword reads a password: from a terminal without echo, otherwise all of
// in less one line end, so that both `echo` and `printf` give the same.
func (u *UI) ReadPassword(in io.Reader) ([]byte, error) {
	if IsTerminal(in) {
		fd := int(in.(*os.File).Fd())
		// Before the prompt: a program that answers it, or a person who
		// pastes, may be faster than the next line of this one.
		show := hideInput(fd)
		defer show()
		fmt.Fprint(u.Err, "password: ")
		p, err := term.ReadPassword(fd)
		fmt.Fprintln(u.Err)
		return p, err
	}
	p, err := io.ReadAll(io.LimitReader(in, maxPassword))
	if err != nil {
		return nil, err
	}
	if n := len(p); n > 0 && p[n-1] == '\n' {
		p = p[:n-1]
		if n := len(p); n > 0 && p[n-1] == '\r' {
			p = p[:n-1]
		}
	}
	return p, nil
}

// Confirm asks a yes-or-no question at a terminal. Anything but yes is no.
func (u *UI) Confirm(in io.Reader, question string) bool {
	fmt.Fprintf(u.Err, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(u.Err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}
