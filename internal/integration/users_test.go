//go:build integration

package integration

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestUsers changes users on a running stack. Each change counts at the very
// next request and restarts nothing, also when several fall into one second:
// the registry reads the file again when its time differs, and no oftener. Wrong
// passwords are asked for sparingly, since each is answered slowly.
func TestUsers(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			before := d.running(t)
			check := func(what, user, password string, want int) {
				t.Helper()
				if got := d.login(t, user, password); got != want {
					t.Errorf("%s: %d, want %d", what, got, want)
				}
			}
			changed := func(args ...string) (password string, at time.Time) {
				t.Helper()
				password = strings.TrimSpace(d.must(t, args...).stdout)
				fi, err := os.Stat(d.path("auth/htpasswd"))
				if err != nil {
					t.Fatal(err)
				}
				return password, fi.ModTime()
			}
			sameSecond := 0
			const rounds = 4
			for i := range rounds {
				name := fmt.Sprintf("user%d", i)
				first, _ := changed("user", "add", name)
				check("new user", name, first, 200)
				second, was := changed("user", "passwd", name)
				third, is := changed("user", "passwd", name)
				if is.Truncate(time.Second).Equal(was.Truncate(time.Second)) {
					sameSecond++
				}
				check("new password", name, third, 200)
				check("the password before", name, second, 401)
				check("first user, while another changes", d.user, d.password, 200)
				changed("user", "rm", name)
				check("removed user", name, third, 401)
				// The same name again is somebody else.
				fourth, _ := changed("user", "add", name)
				check("user added again", name, fourth, 200)
			}
			if sameSecond == 0 {
				t.Errorf("no two changes fell into one second")
			}
			d.regctlInput(t, "correct horse battery staple\n", "user", "add", "human", "--password-stdin").want(t, 0)
			check("password from standard input, less its newline", "human", "correct horse battery staple", 200)
			if list := d.must(t, "user", "ls").stdout; !strings.Contains(list, "human") {
				t.Errorf("user ls: %s", list)
			}
			if now := d.running(t); !maps.Equal(before, now) {
				t.Errorf("changing users touched containers: before %v, now %v", before, now)
			}
		})
	}
}

// TestCorruptUserFile damages a line by hand. The good users work on, the
// damage is named, and once it is gone what was added meanwhile works too.
func TestCorruptUserFile(t *testing.T) {
	for _, version := range registries {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			d := stack(t, options{registry: version.image})
			good := d.read(t, "auth/htpasswd")
			if got := d.login(t, d.user, d.password); got != 200 {
				t.Fatalf("before: %d", got)
			}
			d.writeUsers(t, good+"this line is no entry\n")

			// The registry answers the request that meets the damage with an error,
			// then goes on with the users it had.
			first := d.login(t, d.user, d.password)
			t.Logf("the request that met the damage: %d", first)
			for range 5 {
				if got := d.login(t, d.user, d.password); got != 200 {
					t.Errorf("a good user after the damage: %d, want 200", got)
				}
			}
			d.regctl(t, "user", "ls").want(t, 3, "line 2")
			added := d.regctl(t, "user", "add", "later")
			added.want(t, 3, "line 2")
			later := strings.TrimSpace(added.stdout)
			d.login(t, d.user, d.password) // meets the damage again
			if got := d.login(t, d.user, d.password); got != 200 {
				t.Errorf("a good user after one was added beside the damage: %d, want 200", got)
			}
			if got := d.login(t, "later", later); got == 200 {
				t.Errorf("the registry has read a file that it refuses: the comment above is wrong")
			}
			// Nor does it notice who was removed, which is worth a status of its own.
			d.regctlInput(t, "gone tomorrow", "user", "add", "gone", "--password-stdin").want(t, 3)
			d.regctl(t, "user", "rm", "gone").want(t, 3, "line 2")
			text := d.read(t, "auth/htpasswd")
			if !strings.Contains(text, "this line is no entry\n") || !strings.Contains(text, "later:") {
				t.Errorf("user add lost a line:\n%s", text)
			}
			d.writeUsers(t, strings.Replace(text, "this line is no entry\n", "", 1))
			for user, password := range map[string]string{d.user: d.password, "later": later} {
				if got := d.login(t, user, password); got != http.StatusOK {
					t.Errorf("%s after the damage is gone: %d, want 200", user, got)
				}
			}
			d.regctl(t, "user", "ls").want(t, 0)
		})
	}
}

// writeUsers replaces the user file as a careful editor does.
func (d *deployment) writeUsers(t *testing.T, text string) {
	t.Helper()
	tmp := d.path("auth/.htpasswd.edit")
	writeFile(t, tmp, text, 0o600)
	rename(t, tmp, d.path("auth/htpasswd"))
}
