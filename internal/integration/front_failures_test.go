//go:build integration

package integration

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFrontFailures is about passwords that are wrong.
func TestFrontFailures(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			f := newFront(t, options{registry: version.image}, "users: {cost: 11}")
			p := f.addChosen(t, "chosen", "a password that somebody chose")
			t.Run("forms of a header", func(t *testing.T) { testForms(t, f) })
			t.Run("who is there and who is not", func(t *testing.T) { testSameTime(t, f) })
			if version.image == imageRegistry2 { // whose answer about an unknown user comes at once
				t.Run("many at once", func(t *testing.T) { testSameTimeInBulk(t, f, p) })
			} else {
				t.Run("brute force", func(t *testing.T) { testBruteForce(t, f, p) })
			}
		})
	}
}

// forget restarts Nginx, which then knows of no failures.
func (f *front) forget(t *testing.T) {
	t.Helper()
	tool(t, "docker", "restart", f.containerID(t, "nginx"))
	f.http.CloseIdleConnections()
	eventually(t, 20*time.Second, "Nginx answers", func() bool {
		a, err := f.tryAsk(t, person{}, http.MethodGet, "/v2/", "")
		return err == nil && a.StatusCode == http.StatusUnauthorized
	})
}

// timed asks for /v2/ and tells how long it took.
func (f *front) timed(t *testing.T, who person) (int, time.Duration) {
	began := time.Now()
	a, err := f.tryAsk(t, who, http.MethodGet, "/v2/", "")
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	return a.StatusCode, time.Since(began)
}

// testForms sends Authorization headers as they are.
func testForms(t *testing.T, f *front) {
	encode := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	colon := f.addChosen(t, "colon", "a:password:with: colons")
	utf8 := f.addChosen(t, "utf8", "pässwörd ☃ 密码")
	longest := f.addChosen(t, "longest", strings.Repeat("0123456789", 7)+"12")
	right := f.addUser(t, "right")
	var wg sync.WaitGroup
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"right":                  {right.basic(), 200},
		"colons":                 {colon.basic(), 200},
		"UTF-8":                  {utf8.basic(), 200},
		"72 bytes":               {longest.basic(), 200},
		"scheme in lower case":   {strings.Replace(right.basic(), "Basic", "basic", 1), 200},
		"name in upper case":     {encode("RIGHT:" + right.password), 401},
		"name in mixed case":     {encode("Right:" + right.password), 401},
		"blank after the name":   {encode("right :" + right.password), 401},
		"blank before the name":  {encode(" right:" + right.password), 401},
		"password cut":           {encode("right:" + right.password[:len(right.password)-1]), 401},
		"password of another":    {encode("right:" + colon.password), 401},
		"no password":            {encode("right:"), 401},
		"no name":                {encode(":" + right.password), 401},
		"no colon":               {encode("right"), 401},
		"nothing":                {encode(""), 401},
		"a colon":                {encode(":"), 401},
		"NUL in the name":        {encode("right\x00:" + right.password), 401},
		"line break in the name": {encode("right\n:" + right.password), 401},
		"two users":              {encode("right:" + right.password + "\nadmin:x"), 401},
		"no base64":              {"Basic !!!!", 401},
		"base64 for URLs":        {"Basic _-8=", 401},
		"half of it":             {right.basic()[:len(right.basic())-5], 401},
		"scheme alone":           {"Basic", 401},
		"Bearer":                 {"Bearer " + strings.TrimPrefix(right.basic(), "Basic "), 401},
		"no scheme":              {strings.TrimPrefix(right.basic(), "Basic "), 401},
		"long name":              {encode(strings.Repeat("a", 65) + ":x"), 401},
		"12 KiB":                 {encode("right:" + strings.Repeat("x", 9<<10)), 401},
		"64 KiB":                 {encode("right:" + strings.Repeat("x", 48<<10)), 400},
	} {
		wg.Go(func() {
			a, err := f.tryAsk(t, person{}, http.MethodGet, "/v2/", "", header{"Authorization", c.header})
			if err != nil || a.StatusCode != c.want {
				t.Errorf("%s: %v %s, want %d", name, err, a.body, c.want)
				return
			}
			if code, message := errorCode(a.body); c.want != 200 && (code == "" || message == "" || strings.Contains(a.body, right.password)) {
				t.Errorf("%s: %s", name, a.body)
			}
		})
	}
	wg.Wait()
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func mean(all []time.Duration) (sum time.Duration) {
	for _, d := range all {
		sum += d
	}
	return (sum / time.Duration(len(all))).Round(time.Millisecond)
}

// testSameTime compares how long a refusal takes for a user that is there with
// one that is not. Noise can make them differ once, a difference that tells
// something is there each time.
func testSameTime(t *testing.T, f *front) {
	f.replace(t, "regctl.yaml", "cost: 11", "cost: 12")
	f.must(t, "up")
	slow := f.addChosen(t, "slow", "a password that somebody chose")
	var said []string
	for range 3 {
		f.forget(t)
		took := map[string][]time.Duration{}
		// As many as are free of the brake on failures.
		for i := range 5 {
			for name, user := range map[string]string{"there": slow.name, "unknown": "nobody-of-that-name"} {
				status, d := f.timed(t, person{user, fmt.Sprint("wrong ", i)})
				if status != http.StatusUnauthorized {
					t.Fatalf("%s: %d", name, status)
				}
				took[name] = append(took[name], d)
			}
		}
		there, unknown := median(took["there"]), median(took["unknown"])
		said = append(said, fmt.Sprintf("there %v, unknown %v", there.Round(time.Millisecond), unknown.Round(time.Millisecond)))
		if (there-unknown).Abs() < 60*time.Millisecond && there > 900*time.Millisecond {
			t.Log(said)
			return
		}
	}
	t.Errorf("a refusal tells who is there: %v", said)
}

// testSameTimeInBulk does the same with many at once, where those that take long
// wait for each other.
func testSameTimeInBulk(t *testing.T, f *front, p person) {
	var said []string
	for range 3 {
		took := map[string][]time.Duration{}
		for name, user := range map[string]string{"there": p.name, "unknown": "nobody-of-that-name"} {
			f.forget(t)
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() {
					_, d := f.timed(t, person{user, fmt.Sprint("wrong ", i)})
					mu.Lock()
					defer mu.Unlock()
					took[name] = append(took[name], d)
				})
			}
			wg.Wait()
		}
		there, unknown := mean(took["there"]), mean(took["unknown"])
		said = append(said, fmt.Sprintf("there %v, unknown %v", there, unknown))
		if (there - unknown).Abs() < 300*time.Millisecond {
			t.Log(said)
			return
		}
	}
	t.Errorf("many refusals at once tell who is there: %v", said)
}

// testBruteForce guesses from one address on eight connections: it is slowed
// down to about a guess a second, and who is remembered does not notice.
func testBruteForce(t *testing.T, f *front, guessed person) {
	f.forget(t)
	known := f.addUser(t, "known-before")
	f.expect(t, http.StatusOK, known, http.MethodGet, "/v2/", "")
	stop := make(chan struct{})
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a, err := f.tryAsk(t, person{guessed.name, fmt.Sprintf("guess %d-%d", i, n)}, http.MethodGet, "/v2/", "")
				if err != nil {
					t.Error(err)
					return
				}
				if a.StatusCode == http.StatusTooManyRequests && (a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "TOOMANYREQUESTS")) {
					t.Errorf("429: %v %s", a.Header, a.body)
				}
				mu.Lock()
				statuses[a.StatusCode]++
				mu.Unlock()
				if a.StatusCode == http.StatusTooManyRequests {
					time.Sleep(50 * time.Millisecond) // its pace: this answer comes at once
				}
			}
		})
	}
	// Long enough for the first ones, which are free, to be over.
	const warmUp, watched = 4 * time.Second, 6 * time.Second
	var worst time.Duration
	watch := func(until time.Time) {
		for time.Now().Before(until) {
			status, took := f.timed(t, known)
			if status != http.StatusOK {
				t.Errorf("a remembered user: %d", status)
				return
			}
			worst = max(worst, took)
			time.Sleep(20 * time.Millisecond) // its pace, no waiting for anything
		}
	}
	watch(time.Now().Add(warmUp))
	mu.Lock()
	before := statuses[http.StatusUnauthorized]
	mu.Unlock()
	used := f.cpu(t, "auth")
	watch(time.Now().Add(watched))
	mu.Lock()
	guesses := statuses[http.StatusUnauthorized] - before
	mu.Unlock()
	used = f.cpu(t, "auth") - used
	close(stop)
	wg.Wait()
	t.Logf("%d guesses judged in %v, %v of computing for them; a remembered user waited at most %v; in all %v", guesses, watched, used, worst.Round(time.Millisecond), statuses)
	if most := int(watched/time.Second) + 2; guesses > most {
		t.Errorf("%d guesses were judged in %v, want at most %d", guesses, watched, most)
	}
	if worst > time.Second {
		t.Errorf("a remembered user waited %v", worst)
	}
	// The user that was guessed at gets in, a little later than otherwise.
	status, took := f.timed(t, guessed)
	if status != http.StatusOK || took > 8*time.Second {
		t.Errorf("the user that was guessed at: %d after %v", status, took)
	}
}
