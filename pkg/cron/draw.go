package cron

import (
	"crypto/sha256"
	"encoding/binary"
)

// Off is what stands in the place of times for never.
const Off = "off"

// words are the names that stand for times drawn from a seed, see [Resolve].
var words = map[string]func(draw) Schedule{
	"six-hourly": func(d draw) Schedule {
		h := d.number(6)
		return at(d.number(60), h, h+6, h+12, h+18)
	},
	"daily":   func(d draw) Schedule { return at(d.number(60), night(d)) },
	"weekly":  func(d draw) Schedule { s := at(d.number(60), night(d)); s.weekday = 1 << d.number(7); return s },
	"monthly": func(d draw) Schedule { s := at(d.number(60), night(d)); s.day = 1 << (1 + d.number(28)); return s },
}

// Check says what is wrong with text as times for [Resolve]; nil for nothing.
func Check(text string) error {
	_, _, err := Resolve(text, "")
	return err
}

// Resolve reads times: five fields as [Parse] does, or one of the words
// six-hourly, daily, weekly and monthly, which stand for times drawn from seed:
// hosts that all ask for the same thing do not all do it in the same minute. The
// last three are in the night. on is false for "off".
func Resolve(text, seed string) (s Schedule, on bool, err error) {
	if text == Off {
		return Schedule{}, false, nil
	}
	if word, ok := words[text]; ok {
		return word(newDraw(text + "\n" + seed)), true, nil
	}
	s, err = Parse(text)
	return s, err == nil, err
}

// at is every day at these hours.
func at(minute int, hours ...int) Schedule {
	s := Schedule{minute: 1 << minute, day: fields[2].full(), month: fields[3].full(), weekday: fields[4].full()}
	for _, h := range hours {
		s.hour |= 1 << h
	}
	return s
}

// night is an hour in which few people push, and which summer time does not
// skip or repeat: it changes at 1, 2 or 3 in nearly every zone.
func night(d draw) int { return 4 + d.number(2) }

// draw gives numbers that are always the same for one seed.
type draw struct{ next func() uint64 }

func newDraw(seed string) draw {
	sum, used := sha256.Sum256([]byte(seed)), 0
	return draw{func() uint64 {
		n := binary.BigEndian.Uint64(sum[8*used:])
		used++
		return n
	}}
}

// number is below n.
func (d draw) number(n int) int { return int(d.next() % uint64(n)) }
