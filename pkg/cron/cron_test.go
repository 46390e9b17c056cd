package cron

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	oracle "github.com/robfig/cron/v3"
)

func mustParse(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatalf("%q %v", text, err)
	}
	return s
}

func TestForms(t *testing.T) {
	for _, tt := range []struct{ text, numbers, calendar string }{
		{"* * * * *", "* * * * *", "*-*-* *:*:00"},
		{"17 */6 * * *", "17 0,6,12,18 * * *", "*-*-* 00,06,12,18:17:00"},
		{"  5  4 *\t* sun ", "5 4 * * 0", "Sun *-*-* 04:05:00"},
		{"5 4 * * 7", "5 4 * * 0", "Sun *-*-* 04:05:00"},
		{"5 4 * * 0-7", "5 4 * * *", "*-*-* 04:05:00"},
		{"5 4 * * fri-sun", "5 4 * * 0,5,6", "Sun,Fri,Sat *-*-* 04:05:00"},
		{"5 4 * * 5-7", "5 4 * * 0,5,6", "Sun,Fri,Sat *-*-* 04:05:00"},
		{"5 4 * * Mon-FRI", "5 4 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 04:05:00"},
		{"5 4 * * */2", "5 4 * * 0,2,4,6", "Sun,Tue,Thu,Sat *-*-* 04:05:00"},
		{"0-59/20 1,2,3,5 1-7 jan,mar *", "0,20,40 1-3,5 1-7 1,3 *", "*-01,03-01..07 01..03,05:00,20,40:00"},
		{"59 23 31 12 *", "59 23 31 12 *", "*-12-31 23:59:00"},
		{"0 0 29 2 *", "0 0 29 2 *", "*-02-29 00:00:00"},
	} {
		s := mustParse(t, tt.text)
		if s.String() != tt.numbers || s.Calendar() != tt.calendar {
			t.Errorf("%q is %q and %q, want %q and %q", tt.text, s, s.Calendar(), tt.numbers, tt.calendar)
		}
		if again := mustParse(t, s.String()); again != s {
			t.Errorf("%q does not read back", s)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":               "five fields",
		"* * * *":        "five fields",
		"* * * * * *":    "five fields",
		"@daily":         "five fields",
		"60 * * * *":     `"60" for the minute, which goes from 0 to 59`,
		"-1 * * * *":     `"-1" for the minute`,
		"+1 * * * *":     `"+1" for the minute`,
		"* 24 * * *":     `"24" for the hour`,
		"* * 0 * *":      `"0" for the day of the month`,
		"* * * 13 *":     `"13" for the month`,
		"* * * * 8":      `"8" for the day of the week`,
		"* * * * sunday": `"sunday" for the day of the week`,
		"9-5 * * * *":    "a range goes upwards",
		"*/0 * * * *":    "a step is a number from 1",
		"*/+5 * * * *":   "a step is a number from 1",
		"*/x * * * *":    "a step is a number from 1",
		"5/15 * * * *":   "a step follows",
		"1,,2 * * * *":   `"" for the minute`,
		"1- * * * *":     `"1-" for the minute`,
		"? * * * *":      `"?" for the minute`,
		"0 0 1 * 1":      "one of them has to be *",
		"0 0 30 2 *":     "never comes",
		"0 0 31 2,4 *":   "never comes",
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, s, err, want)
		}
	}
}

// randomText makes five fields out of what both this package and the oracle
// read.
func randomText(r *rand.Rand) string {
	part := func(low, high int) string {
		a, b := low+r.IntN(high-low+1), low+r.IntN(high-low+1)
		switch r.IntN(6) {
		case 0:
			return fmt.Sprint(a)
		case 1:
			return fmt.Sprintf("%d-%d", min(a, b), max(a, b))
		case 2:
			return fmt.Sprintf("%d-%d/%d", min(a, b), max(a, b), 1+r.IntN(high))
		case 3:
			return fmt.Sprintf("*/%d", 1+r.IntN(high))
		case 4:
			return fmt.Sprintf("%d,%d", a, b)
		}
		return "*"
	}
	day, weekday := part(1, 31), "*"
	if r.IntN(2) == 0 {
		day, weekday = "*", part(0, 6)
	}
	return strings.Join([]string{part(0, 59), part(0, 23), day, part(1, 12), weekday}, " ")
}

// The times are those of the library that Kubernetes uses for its CronJobs.
func TestNextAgainstTheOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range 3000 {
		text := randomText(r)
		theirs, err := oracle.ParseStandard(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		at := time.Date(2020+r.IntN(20), 1, 1+r.IntN(366), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
		ours, err := Parse(text)
		if err != nil {
			if !theirs.Next(at).IsZero() {
				t.Errorf("%q %v, and yet comes", text, err)
			}
			continue
		}
		for range 3 {
			// It gives up after five years; February 29 can be eight away.
			want, got := theirs.Next(at), ours.Next(at)
			if want.IsZero() {
				break
			}
			if !got.Equal(want) {
				t.Fatalf("%q after %s: %s, want %s", text, at, got, want)
			}
			at = got
			compared++
		}
	}
	if compared < 5000 {
		t.Fatalf("only %d times compared", compared)
	}
}

// What is written for systemd means the same times there.
func TestCalendarAgainstSystemd(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	base := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	var expressions []string
	var schedules []Schedule
	for len(schedules) < 40 {
		if s, err := Parse(randomText(r)); err == nil {
			schedules = append(schedules, s)
			expressions = append(expressions, s.Calendar())
		}
	}
	for i, s := range schedules {
		cmd := exec.Command("systemd-analyze", "calendar", "--base-time=2026-03-01 12:30:00 UTC", "--iterations=3", expressions[i])
		cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", expressions[i], err, out)
		}
		at := base
		for range 3 {
			at = s.Next(at)
			if text := at.Format("Mon 2006-01-02 15:04:05 UTC"); !strings.Contains(string(out), text) {
				t.Errorf("%s, %s: systemd does not know of %s:\n%s", s, expressions[i], text, out)
			}
		}
	}
}

// A time that the clock skips is left out; one that it shows twice comes.
func TestSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := mustParse(t, "30 2 * * *")
	for from, want := range map[string]string{
		"2026-03-28T12:00:00+01:00": "2026-03-30 02:30",
		"2026-10-24T12:00:00+02:00": "2026-10-25 02:30",
	} {
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(at.In(berlin)).Format("2006-01-02 15:04"); got != want {
			t.Errorf("after %s: %s, want %s", from, got, want)
		}
	}
	if next := (Schedule{}).Next(time.Now()); !next.IsZero() {
		t.Errorf("the zero value comes at %s", next)
	}
}

func TestResolve(t *testing.T) {
	minutes := map[string]bool{}
	for i := range 200 {
		seed := fmt.Sprintf("registry\nhost%d.example.com", i)
		for word, times := range map[string]int{"six-hourly": 4 * 28, "daily": 28, "weekly": 4, "monthly": 1} {
			s, on, err := Resolve(word, seed)
			if err != nil || !on {
				t.Fatalf("%s: %v, %v", word, on, err)
			}
			if again, _, _ := Resolve(word, seed); again != s {
				t.Fatalf("%s is %s and then %s", word, s, again)
			}
			if read := mustParse(t, s.String()); read != s {
				t.Fatalf("%s does not read back", s)
			}
			n := 0
			end := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
			for at := time.Date(2027, 2, 1, 0, 0, 0, -1, time.UTC); ; n++ { // 28 days
				if at = s.Next(at); !at.Before(end) {
					break
				}
				if word != "six-hourly" && (at.Hour() < 4 || at.Hour() > 5) {
					t.Errorf("%s is at %s", word, at)
				}
			}
			if n != times {
				t.Errorf("%s, %s: %d times in 28 days, want %d", word, s, n, times)
			}
			minutes[strings.Fields(s.String())[0]] = true
		}
	}
	if len(minutes) < 55 {
		t.Errorf("only %d minutes are ever drawn", len(minutes))
	}
	if _, on, err := Resolve(Off, "x"); on || err != nil {
		t.Errorf("off: %v, %v", on, err)
	}
	if s, on, err := Resolve("1 2 3 4 *", "x"); !on || err != nil || s.String() != "1 2 3 4 *" {
		t.Errorf("%s, %v, %v", s, on, err)
	}
	for _, text := range []string{"", "never", "Weekly", "@weekly", "weekly "} {
		if err := Check(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
