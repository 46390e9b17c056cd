// Package cron reads the five fields that crontabs begin with and tells what
// they mean: the next time, and the same times as systemd's timers write them.
//
// It is stricter than cron where implementations differ: a time that never
// comes is refused, and so is one that restricts both the day of the month and
// the day of the week, which cron takes for "or" and systemd for "and".
package cron

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule is a set of minutes at which something is to be run, in local time.
// The zero value has none.
type Schedule struct {
	minute, hour, day, month, weekday set
}

// set has a bit for each number of a field.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

// field is one of the five.
type field struct {
	name      string
	low, high int
	names     []string // of the numbers from low on
}

var (
	months   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"}

	fields = [5]field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, months},
		{"day of the week", 0, 7, weekdays},
	}
)

// full is every number of the field; Sunday counts once.
func (f field) full() set {
	if f.high == 7 {
		return 1<<7 - 1
	}
	return (1<<(f.high+1) - 1) &^ (1<<f.low - 1)
}

// Parse reads "minute hour day-of-month month day-of-week". Each field is *, a
// number, a range a-b, either with a step /n, or a list of these; months and
// days of the week may have their English names' first three letters, and
// Sunday is 0 and 7. The error is for a person and does not repeat text.
func Parse(text string) (Schedule, error) {
	words := strings.Fields(text)
	if len(words) != len(fields) {
		return Schedule{}, fmt.Errorf("has to be five fields, minute hour day-of-month month day-of-week, such as \"30 4 * * sun\"")
	}
	var sets [5]set
	for i, f := range fields {
		s, err := f.parse(words[i])
		if err != nil {
			return Schedule{}, err
		}
		sets[i] = s
	}
	if words[2] != "*" && words[4] != "*" {
		return Schedule{}, fmt.Errorf("restricts the day of the month and the day of the week: one of them has to be *")
	}
	s := Schedule{sets[0], sets[1], sets[2], sets[3], sets[4]}
	if s.Next(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("names a day that never comes")
	}
	return s, nil
}

func (f field) parse(text string) (set, error) {
	var all set
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 || n > f.high || !digits(stepText) {
				return 0, fmt.Errorf("has %q for the %s: a step is a number from 1 to %d", part, f.name, f.high)
			}
			step = n
		}
		low, high := f.low, f.high
		if span != "*" {
			from, to, isRange := strings.Cut(span, "-")
			if !isRange {
				to = from
				if stepped {
					return 0, fmt.Errorf("has %q for the %s: a step follows * or a range", part, f.name)
				}
			}
			var okFrom, okTo bool
			low, okFrom = f.number(from)
			high, okTo = f.number(to)
			if !okFrom || !okTo {
				return 0, fmt.Errorf("has %q for the %s, which goes from %d to %d", part, f.name, f.low, f.high)
			}
			if to == "sun" && low > 0 { // fri-sun
				high = 7
			}
			if low > high {
				return 0, fmt.Errorf("has %q for the %s: a range goes upwards", part, f.name)
			}
		} else if f.high == 7 {
			high = 6 // */2 is every second day from Sunday on, not both Sundays
		}
		for n := low; n <= high; n += step {
			bit := n
			if f.high == 7 {
				bit %= 7
			}
			all |= 1 << bit
		}
	}
	return all, nil
}

func (f field) number(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.low + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && digits(text) && n >= f.low && n <= f.high
}

// digits keeps out what Atoi takes and cron does not, such as +5.
func digits(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// String is the five fields in numbers, a form that every cron reads.
func (s Schedule) String() string {
	var out [5]string
	for i, f := range fields {
		out[i] = "*"
		if have := s.sets()[i]; have != f.full() {
			out[i] = list(have, "%d", "-")
		}
	}
	return strings.Join(out[:], " ")
}

// Calendar is the same times in the form of systemd's OnCalendar= (see
// systemd.time(7)).
func (s Schedule) Calendar() string {
	text := ""
	if s.weekday != fields[4].full() {
		var days []string
		for n := range 7 {
			if s.weekday.has(n) {
				days = append(days, strings.ToUpper(weekdays[n][:1])+weekdays[n][1:])
			}
		}
		text = strings.Join(days, ",") + " "
	}
	part := func(i int) string {
		if have := s.sets()[i]; have != fields[i].full() {
			return list(have, "%02d", "..")
		}
		return "*"
	}
	return text + "*-" + part(3) + "-" + part(2) + " " + part(1) + ":" + part(0) + ":00"
}

func (s Schedule) sets() [5]set {
	return [5]set{s.minute, s.hour, s.day, s.month, s.weekday}
}

// list writes numbers, three and more in a row as a range.
func list(s set, format, to string) string {
	var parts []string
	for n := 0; n < 64; n++ {
		if !s.has(n) {
			continue
		}
		end := n
		for end < 63 && s.has(end+1) {
			end++
		}
		if end-n < 2 {
			end = n
		}
		text := fmt.Sprintf(format, n)
		if end > n {
			text += to + fmt.Sprintf(format, end)
		}
		parts = append(parts, text)
		n = end
	}
	return strings.Join(parts, ",")
}

// Next returns the first time after t, in t's location; the zero time when there
// is none. A time that the clock skips when summer time begins is left out.
func (s Schedule) Next(t time.Time) time.Time {
	if s.minute == 0 || s.hour == 0 {
		return time.Time{}
	}
	// February 29 is at most eight years away, on a given weekday forty.
	const most = 40*366 + 1
	year, month, first := t.Date()
	for offset := range most {
		day := time.Date(year, month, first+offset, 12, 0, 0, 0, t.Location())
		y, m, d := day.Date()
		if !s.month.has(int(m)) || !s.day.has(d) || !s.weekday.has(int(day.Weekday())) {
			continue
		}
		for hours := s.hour; hours != 0; hours &= hours - 1 {
			h := bits.TrailingZeros64(uint64(hours))
			for minutes := s.minute; minutes != 0; minutes &= minutes - 1 {
				n := bits.TrailingZeros64(uint64(minutes))
				at := time.Date(y, m, d, h, n, 0, 0, t.Location())
				if at.After(t) && at.Hour() == h && at.Minute() == n {
					return at
				}
			}
		}
	}
	return time.Time{}
}
