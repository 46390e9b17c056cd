package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// Duration is a length of time written as 90s, 5m, 1h30m or 30d: whole numbers
// of days (24 hours), hours, minutes and seconds, the larger unit first. It is
// a string in YAML and JSON.
type Duration time.Duration

// durationPattern is also the pattern in the JSON schema, so it keeps to what
// ECMAScript and RE2 share. The look-ahead-free form needs the empty string
// refused apart.
const durationPattern = `^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`

var durationParts = regexp.MustCompile(durationPattern)

// ParseDuration reads a Duration; its error is for a person and does not
// repeat s.
func ParseDuration(s string) (Duration, error) {
	parts := durationParts.FindStringSubmatch(s)
	if parts == nil || s == "" {
		return 0, fmt.Errorf("has to be a duration such as 90s, 5m, 1h30m or 30d")
	}
	units := [...]time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}
	var total time.Duration
	for i, part := range parts[1:] {
		if part == "" {
			continue
		}
		n, err := strconv.ParseInt(part[:len(part)-1], 10, 64)
		if err != nil || n > (math.MaxInt64-int64(total))/int64(units[i]) {
			return 0, fmt.Errorf("is too long a duration")
		}
		total += time.Duration(n) * units[i]
	}
	return Duration(total), nil
}

// Std returns d for the standard library.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the shortest form that ParseDuration reads back: whole days as
// 30d, everything else in hours, minutes and seconds, which Compose reads too.
// Parts of a second are dropped.
func (d Duration) String() string {
	const day = 24 * time.Hour
	left := time.Duration(d)
	if left < time.Second {
		return "0s"
	}
	if left%day == 0 {
		return fmt.Sprintf("%dd", left/day)
	}
	text := ""
	if h := left / time.Hour; h > 0 {
		text += fmt.Sprintf("%dh", h)
	}
	if m := left % time.Hour / time.Minute; m > 0 {
		text += fmt.Sprintf("%dm", m)
	}
	if s := left % time.Minute / time.Second; s > 0 {
		text += fmt.Sprintf("%ds", s)
	}
	return text
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q %w", text, err)
	}
	*d = parsed
	return nil
}
