package config

import (
	"regexp"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many characters of a value or key a message repeats.
const maxShown = 60

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// joinPath writes the path of a key: a.b, or a["b.c"] where b.c is no word.
func joinPath(parent, key string) string {
	if !plainKey.MatchString(key) {
		return parent + "[" + strconv.Quote(shorten(key)) + "]"
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// parentPath returns the path one level up, "" at the top.
func parentPath(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

func shorten(s string) string { return shortenTo(maxShown, s) }

func shortenTo(limit int, s string) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "..."
}

// unprintable tells text that would break a line, or hide, in a file or on a
// terminal: control characters, and spaces other than the usual one.
func unprintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return true
		}
	}
	return !utf8.ValidString(s)
}
