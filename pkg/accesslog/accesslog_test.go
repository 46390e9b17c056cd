package accesslog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// text is a request as Nginx writes it (nginx.conf under templates).
func text(minute int, method, verb, repository, kind, reference, decision string, status int) string {
	return fmt.Sprintf(`{"time":"%s","address":"192.0.2.1","user":"me","method":"%s","path":"/v2/%s/%s/%s","verb":"%s","repository":"%s",`+
		`"reference":"%s","decision":"%s","memory":"hit","status":%d,"received":100,"sent":200,"seconds":0.001,"agent":"a \u00e9 \"b\"","request_id":"x"}`,
		noon.Add(time.Duration(minute)*time.Minute).Format("2006-01-02T15:04:05-07:00"), method, repository, kind, reference, verb, repository, reference, decision, status)
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func log() string {
	return strings.Join([]string{
		"2026/11/24 12:00:00 [notice] 1#1: start worker processes",
		text(0, "HEAD", "", "", "", "", "", 401),
		text(1, "PUT", "push", "team/app", "manifests", "v1", "allowed", 201),
		text(2, "GET", "pull", "team/app", "manifests", "v1", "allowed", 200),
		text(3, "HEAD", "pull", "team/app", "manifests", "v1", "allowed", 200),
		text(4, "GET", "pull", "team/app", "manifests", digest, "allowed", 200),
		text(5, "GET", "pull", "team/app", "blobs", digest, "allowed", 200),
		text(6, "GET", "pull", "team/app", "manifests", "v2", "allowed", 404),
		text(7, "GET", "pull", "team/app", "manifests", "v3", "right", 403),
		text(8, "GET", "pull", "a", "manifests", "v1", "allowed", 200),
		text(9, "GET", "pull", "team/app", "tags", "list", "allowed", 200),
		`{"level":"error"}`, `{"time":"not a time","path":"/v2/"}`, `{"time":`, "", "\x00\xff",
		strings.Repeat("x", mostLine+10),
		text(10, "DELETE", "delete", "team/app", "manifests", "v1", "allowed", 202),
		"",
	}, "\n")
}

func want() Usage {
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	return Usage{Since: at(0), Until: at(10),
		Pulled: map[string]map[string]time.Time{"team/app": {"v1": at(3), digest: at(4)}, "a": {"v1": at(8)}},
		Pushed: map[string]map[string]time.Time{"team/app": {"v1": at(1)}},
	}
}

func same(a, b Usage) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// The log comes in pieces of any size.
func TestUsage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1 << 30, 100000, 4096, 1000} {
		var u Usage
		reader := u.Reader()
		for rest := log(); rest != ""; {
			n := min(1+r.IntN(most), len(rest))
			if wrote, err := reader.Write([]byte(rest[:n])); err != nil || wrote != n {
				t.Fatalf("%d, %v", wrote, err)
			}
			rest = rest[n:]
		}
		for _, all := range []map[string]map[string]time.Time{u.Pulled, u.Pushed} {
			for _, of := range all {
				for k, v := range of {
					of[k] = v.UTC()
				}
			}
		}
		u.Since, u.Until = u.Since.UTC(), u.Until.UTC()
		if !same(u, want()) {
			t.Errorf("pieces of at most %d: %+v", most, u)
		}
	}
	u := want()
	if got := u.LastPull("team/app", "v1", digest); !got.Equal(noon.Add(4 * time.Minute)) {
		t.Errorf("last pull of v1 is %s", got)
	}
	if got := u.LastPull("team/app", "v2"); !got.IsZero() || !u.LastPull("no", "v1").IsZero() {
		t.Errorf("last pull of what was never pulled: %s", got)
	}
}

func TestReaderStops(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	r := &Reader{Each: func(l Line, raw []byte) error {
		if n++; !strings.Contains(string(raw), `"request_id":"x"`) || l.Address != "192.0.2.1" || l.Sent != 200 {
			t.Errorf("%+v of %s", l, raw)
		}
		return stop
	}}
	if _, err := r.Write([]byte(log())); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}

// A log that went on where the one before ended tells of both times, one after a
// gap only of its own.
func TestAfter(t *testing.T) {
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	usage := func(since, until int, pulled map[string]time.Time) Usage {
		return Usage{Since: at(since), Until: at(until), Pulled: map[string]map[string]time.Time{"r": pulled}}
	}
	old := usage(0, 10, map[string]time.Time{"a": at(1), "b": at(9)})
	for name, tt := range map[string]struct {
		now   Usage
		since time.Time
		a, b  time.Time
	}{
		"the same log, longer":  {usage(0, 20, map[string]time.Time{"a": at(1), "b": at(15)}), at(0), at(1), at(15)},
		"cut off at its start":  {usage(5, 20, map[string]time.Time{"b": at(15)}), at(0), at(1), at(15)},
		"a gap":                 {usage(11, 20, map[string]time.Time{"b": at(15)}), at(11), at(1), at(15)},
		"nothing in it":         {Usage{}, at(0), at(1), at(9)},
		"older than it is said": {usage(-5, 8, map[string]time.Time{"a": at(-3)}), at(-5), at(1), at(9)},
	} {
		got := tt.now.After(old)
		if !got.Since.Equal(tt.since) || !got.LastPull("r", "a").Equal(tt.a) || !got.LastPull("r", "b").Equal(tt.b) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := old.After(Usage{}); !reflect.DeepEqual(got, old) {
		t.Errorf("the first run: %+v", got)
	}
	old.Forget(at(9))
	if !old.LastPull("r", "a").IsZero() || old.LastPull("r", "b").IsZero() {
		t.Errorf("forgotten: %+v", old)
	}
	if old.Forget(at(10)); len(old.Pulled) > 0 {
		t.Errorf("all forgotten: %+v", old)
	}
}
