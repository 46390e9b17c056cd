package acme

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
)

// maxSecret bounds a file of secrets in bytes.
const maxSecret = 64 << 10

// ReadSecret reads a file that nobody but its owner may read, and takes away a
// line end. It refuses one that others can read: by then others may have.
func ReadSecret(path string) (string, error) {
	// Not blocking: opening a FIFO would otherwise wait for someone to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !fi.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	case fi.Mode().Perm()&0o077 != 0:
		return "", advice.With(fmt.Errorf("%s can be read by others (mode %04o)", path, fi.Mode().Perm()),
			"chmod 600 %s; if others may have read it, make a new secret", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxSecret)
	case bytes.IndexByte(data, 0) >= 0:
		return "", fmt.Errorf("%s is not text", path)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ReadCredentials reads lines NAME=VALUE, as Docker's env files have them, from a
// file that nobody but its owner may read. Quotes are taken as they stand; a
// line that begins with # is a comment. Errors name lines, never values.
func ReadCredentials(path string) (map[string]string, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxSecret)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !variableName.MatchString(name) {
			return nil, fmt.Errorf("%s: line %d is not NAME=VALUE", path, n)
		}
		all[name] = value
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New(path + " has no line NAME=VALUE")
	}
	return all, nil
}
