//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAtOnce runs several regctl on one deployment at the same time.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	d := planned(t, options{})

	// outcome starts a command several times and counts the statuses; whoever
	// meets the lock is told who holds it.
	outcome := func(t *testing.T, n int, args ...string) (done []result) {
		t.Helper()
		var processes []*process
		for range n {
			processes = append(processes, d.start(t, "", args...))
		}
		locked := 0
		for _, p := range processes {
			r := p.wait(t)
			switch r.status {
			case 0:
				done = append(done, r)
			case 6:
				locked++
				if !strings.Contains(r.stderr, "locked by another regctl") { // before it wrote who it is
					r.want(t, 6, `another regctl is at work here: "regctl `+args[0], "pid ", "hint: wait")
				}
			default:
				t.Errorf("%v", r)
			}
		}
		if len(done) == 0 {
			t.Errorf("none of %d came through", n)
		}
		t.Logf("%v: %d done, %d met the lock", args, len(done), locked)
		return done
	}

	t.Run("init", func(t *testing.T) {
		changed := 0
		for _, r := range outcome(t, 4, d.initArgs()...) {
			var out struct {
				Changed        bool
				User, Password string
			}
			r.json(t, &out)
			if out.Changed {
				changed++
				d.user, d.password = out.User, out.Password
			} else if out.Password != "" {
				t.Errorf("a password that is not in force is shown")
			}
		}
		if changed != 1 {
			t.Errorf("%d of them wrote the deployment", changed)
		}
		d.regctlInput(t, d.password, "user", "check", d.user, "--password-stdin").want(t, 0)
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(d.dir), "*")); len(left) != 1 {
			t.Errorf("left beside the deployment: %v", left)
		}
	})
	t.Run("up", func(t *testing.T) {
		// Users are not kept waiting by a start.
		var adds []*process
		outcome(t, 3, "up", "-q")
		if got := d.login(t, d.user, d.password); got != http.StatusOK {
			t.Errorf("login: %d", got)
		}
		up := d.start(t, "", "restart")
		for i := range 5 {
			adds = append(adds, d.start(t, "", "user", "add", fmt.Sprintf("user%d", i)))
		}
		for _, p := range adds {
			p.wait(t).want(t, 0)
		}
		if up.ended() {
			t.Errorf("the restart was over before the users were there: not much of a test")
		}
		up.wait(t).want(t, 0)
	})
	t.Run("up, down and restart", func(t *testing.T) {
		var processes []*process
		for _, command := range []string{"up", "down", "restart", "render", "up"} {
			processes = append(processes, d.start(t, "", command))
		}
		for _, p := range processes {
			if r := p.wait(t); r.status != 0 && r.status != 6 {
				// A restart may find that a down was faster.
				if r.args[1] != "restart" || !strings.Contains(r.stderr, "no containers") {
					t.Errorf("%v", r)
				}
			}
		}
		d.must(t, "up")
		if got := d.login(t, d.user, d.password); got != http.StatusOK {
			t.Errorf("login: %d", got)
		}
		if users := userNames(t, d.must(t, "user", "ls", "--json")); len(users) != 6 || !slices.Contains(users, d.user) {
			t.Errorf("users: %v", users)
		}
		if _, err := os.Lstat(d.path(".regctl/init.json")); err == nil {
			t.Errorf("the journal of init is left")
		}
	})
}
