//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFrontMemory is about what Nginx remembers of passwords and rights.
func TestFrontMemory(t *testing.T) {
	f := newFront(t, options{}, "users: {cost: 12}")
	t.Run("changes count at once", func(t *testing.T) { testChanges(t, f) })
	t.Run("one check for many", func(t *testing.T) { testSingleFlight(t, f) })
	t.Run("a hit asks nobody", func(t *testing.T) { testHit(t, f) })
}

// testChanges changes users with regctl, one change after the other, and asks
// right after each: the answer is that of the change, and nobody else's changes.
func testChanges(t *testing.T, f *front) {
	f.seedRepository(t, "changes/app")
	const path = "/v2/changes/app/manifests/v1"
	other := f.addUser(t, "other", "--pull", "changes/*")
	p := f.addUser(t, "changing", "--pull", "other/**")
	changes := 0
	ask := func(want int, who person, after ...string) {
		t.Helper()
		if len(after) > 0 {
			f.must(t, after...)
			changes++
		}
		got := f.ask(t, who, http.MethodGet, path, "", header{"Accept", ociManifest})
		if got.StatusCode != want {
			t.Fatalf("change %d, %q: %s %s, want %d", changes, after, got.Status, got.body, want)
		}
	}
	began := time.Now()
	ask(403, p)
	for range 9 {
		ask(200, p, "user", "grant", p.name, "--pull", "changes/app")
		ask(403, p, "user", "revoke", p.name, "--pull", "changes/app")
		ask(200, p, "user", "grant", p.name, "--admin")
		ask(403, p, "user", "revoke", p.name, "--admin")
		ask(200, other)
	}
	ask(200, p, "user", "grant", p.name, "--pull", "**")
	for range 3 {
		old := p
		p.password = strings.TrimSpace(f.must(t, "user", "passwd", p.name).stdout)
		changes++
		ask(200, p)
		ask(401, old)
		f.must(t, "user", "rm", p.name)
		changes++
		ask(401, p)
		ask(200, other)
		old = p
		p = f.addUser(t, p.name, "--pull", "changes/**")
		changes++
		ask(200, p)
		ask(401, old)
	}
	// An expiry ends a user whose password is remembered, with nothing run.
	f.must(t, "user", "grant", p.name, "--expires", "2s")
	changes++
	ask(200, p)
	granted := time.Now()
	eventually(t, 6*time.Second, "the user ended", func() bool {
		return f.ask(t, p, http.MethodGet, path, "").StatusCode == http.StatusUnauthorized
	})
	if took := time.Since(granted); took < time.Second {
		t.Errorf("an expiry of 2s came after %v", took)
	}
	ask(200, p, "user", "grant", p.name, "--expires", "never")
	if changes < 47 {
		t.Errorf("%d changes: the loop is not what it was", changes)
	}
	t.Logf("%d changes, %v each with what was asked", changes, (time.Since(began) / time.Duration(changes)).Round(time.Millisecond))
}

// cpu is the time that a service's program has computed so far.
func (d *deployment) cpu(t *testing.T, service string) time.Duration {
	t.Helper()
	pid := strings.TrimSpace(tool(t, "docker", "inspect", "--format", "{{.State.Pid}}", d.containerID(t, service)))
	// proc_pid_stat(5): fields 14 and 15, counted after the name in brackets.
	stat := readFile(t, "/proc/"+pid+"/stat")
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ, a fixed part of the interface
}

// testSingleFlight comes with one slow password on sixteen connections at once:
// it is checked once.
func testSingleFlight(t *testing.T, f *front) {
	// What one check costs, told by three users of one.
	var one time.Duration
	for i := range 3 {
		p := f.addChosen(t, fmt.Sprint("single-", i), "a password that somebody chose")
		before := f.cpu(t, "auth")
		f.expect(t, http.StatusOK, p, http.MethodGet, "/v2/", "")
		one = max(one, f.cpu(t, "auth")-before)
	}
	if one < 50*time.Millisecond {
		t.Fatalf("one check took %v of computing: that is no bcrypt of cost 12", one)
	}
	p := f.addChosen(t, "many", "another password that somebody chose")
	before, began := f.cpu(t, "auth"), time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 3 {
				a, err := f.tryAsk(t, p, http.MethodGet, "/v2/", "", header{"User-Agent", "many-at-once"})
				if err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("%v %s", err, a.body)
				}
			}
		})
	}
	wg.Wait()
	took, used := time.Since(began), f.cpu(t, "auth")-before
	t.Logf("one check %v of computing; sixteen at once %v, all done after %v", one, used, took.Round(time.Millisecond))
	if used > one*5/2 {
		t.Errorf("sixteen connections with one password took %v of computing, one check takes %v", used, one)
	}
	counts := f.memoryOf(t, "many-at-once", 48)
	if counts["checked"] != 1 || counts["joined"] == 0 || counts["checked"]+counts["joined"]+counts["hit"] != 48 {
		t.Errorf("the log says %v, want one of them checked and the others joined or hit", counts)
	}
}

// memoryOf counts how the passwords of an agent's requests were known.
func (f *front) memoryOf(t *testing.T, agent string, requests int) (counts map[string]int) {
	t.Helper()
	eventually(t, 10*time.Second, "the log has all requests", func() bool {
		counts = map[string]int{}
		n := 0
		for line := range strings.Lines(f.must(t, "logs", "--access", "--json").stdout) {
			var e accessEntry
			decode(t, line, &e)
			if e.Agent == agent {
				counts[e.Memory]++
				n++
			}
		}
		return n == requests
	})
	return counts
}

// testHit stops the service that checks passwords: who is remembered goes on,
// nobody else gets in, and a change of the user file makes Nginx forget.
func testHit(t *testing.T, f *front) {
	known := f.addUser(t, "known")
	unknown := f.addUser(t, "unknown")
	f.expect(t, http.StatusOK, known, http.MethodGet, "/v2/", "")
	before := f.cpu(t, "auth")
	for range 300 {
		f.expect(t, http.StatusOK, known, http.MethodGet, "/v2/", "")
	}
	if used := f.cpu(t, "auth") - before; used > 30*time.Millisecond {
		t.Errorf("300 requests of a remembered user took %v of computing where passwords are checked", used)
	}
	tool(t, f.composeCommand("stop", "auth")...)
	for range 20 {
		f.expect(t, http.StatusOK, known, http.MethodGet, "/v2/", "")
	}
	a := f.expect(t, http.StatusServiceUnavailable, unknown, http.MethodGet, "/v2/", "")
	if code, message := errorCode(a.body); code != "UNAVAILABLE" || !strings.Contains(message, "passwords cannot be checked") {
		t.Errorf("%s", a.body)
	}
	f.expect(t, http.StatusServiceUnavailable, person{"known", known.password + "x"}, http.MethodGet, "/v2/", "")
	// Whoever looks without a password learns that something is wrong.
	f.expect(t, http.StatusServiceUnavailable, person{}, http.MethodGet, "/v2/", "")
	// A right changes without the user file: the password stays remembered.
	f.must(t, "user", "grant", "known", "--delete", "x/**")
	f.expect(t, http.StatusOK, known, http.MethodGet, "/v2/", "")
	f.must(t, "user", "rm", "unknown")
	f.expect(t, http.StatusServiceUnavailable, known, http.MethodGet, "/v2/", "")
	tool(t, f.composeCommand("start", "auth")...)
	eventually(t, 10*time.Second, "passwords are checked again", func() bool {
		return f.ask(t, known, http.MethodGet, "/v2/", "").StatusCode == http.StatusOK
	})
}
