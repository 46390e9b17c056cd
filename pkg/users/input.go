package users

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/regctl/regctl/pkg/pattern"
)

const (
	// MaxName is the longest user name, in bytes.
	MaxName = 64
	// MaxPassword is the longest password, in bytes. bcrypt reads no further,
	// so a longer one would be as good as its first 72 bytes.
	MaxPassword = 72
)

// InputError says that a name, a password, a cost or a hash cannot be used. Its
// text never holds a password or a hash.
type InputError struct {
	What string // "user name", "password", "cost" or "hash"
	Why  string // continues the sentence that What begins: "is empty"
}

func (e *InputError) Error() string { return e.What + " " + e.Why }

// CheckName returns an *InputError unless name can be a user's: 1 to [MaxName]
// of a-z, 0-9, '.', '_' and '-', in any order. A name may thus be "..", or
// begin with '-' as a flag does: whoever makes a path or an argument of one has
// to mind that.
func CheckName(name string) error {
	bad := func(format string, args ...any) error {
		return &InputError{"user name", fmt.Sprintf(format, args...)}
	}
	if name == "" {
		return bad("is empty")
	}
	if len(name) > MaxName {
		return bad("has %d bytes, at most %d are possible", len(name), MaxName)
	}
	for i, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			continue
		}
		r, _ := utf8.DecodeRuneInString(name[i:])
		return bad("has %q in it, only a-z, 0-9, '.', '_' and '-' are possible", r)
	}
	return nil
}

// CheckPassword returns an *InputError for a password that bcrypt or HTTP Basic
// authentication would silently understand as another one: an empty one, more
// than [MaxPassword] bytes, a NUL (where C programs stop), or a line break
// (mostly the end of a file that was meant to be cut off, which then no client
// sends).
func CheckPassword(password []byte) error {
	bad := func(format string, args ...any) error {
		return &InputError{"password", fmt.Sprintf(format, args...)}
	}
	switch {
	case len(password) == 0:
		return bad("is empty")
	case len(password) > MaxPassword:
		return bad("has %d bytes, at most %d are possible", len(password), MaxPassword)
	case bytes.IndexByte(password, 0) >= 0:
		return bad("has a NUL byte in it")
	case bytes.ContainsAny(password, "\r\n"):
		return bad("has a line break in it")
	}
	return nil
}

// CheckPattern returns an *InputError unless pattern names repositories, see
// pattern.Check.
func CheckPattern(text string) error {
	if err := pattern.Check(text); err != nil {
		return &InputError{"pattern", err.Error()}
	}
	return nil
}

// quoted quotes what somebody wrote, cut to what a message can bear.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}
