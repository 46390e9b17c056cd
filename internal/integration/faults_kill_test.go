//go:build integration

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// iterations is how often the cheap commands are killed, each time at a moment
// drawn anew.
const iterations = 20

// names are the files of a deployment, less what a killed write may leave.
func (d *deployment) names(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d.tree(t))), func(name string) bool {
		return strings.Contains(name, ".regctl-tmp-")
	})
}

// TestInitInterrupted stops init at moments drawn at random. After Ctrl-C
// nothing is there; after a kill it is run again and does as if nothing had been.
func TestInitInterrupted(t *testing.T) {
	t.Parallel()
	whole := planned(t, options{})
	began := time.Now()
	whole.init(t)
	took, want := time.Since(began), whole.names(t)
	d := planned(t, options{})
	done := 0
	for i := range iterations {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			at := rand.N(took)
			p := d.start(t, "", d.initArgs()...)
			time.Sleep(at) // the moment is the test
			p.signal(t, signal)
			r := p.wait(t)
			_, err := os.Lstat(d.dir)
			switch {
			case r.status == 0:
				done++
				took = min(took, r.took) // the first one may have met a busy machine
			// Before the program has begun, the signal ends it as it ends any.
			case signal == syscall.SIGINT && r.status != 130 && r.status != -1:
				t.Fatalf("%d, %s after %s: %v", i, signal, at, r)
			case signal == syscall.SIGINT && !errors.Is(err, fs.ErrNotExist):
				t.Fatalf("%d, %s after %s: the directory is left (%v): %v", i, signal, at, err, r)
			}
			if r.status != 0 {
				again := d.regctl(t, d.initArgs()...)
				if again.status != 0 || !strings.Contains(again.stdout, `"changed": true`) && !strings.Contains(again.stdout, `"changed": false`) {
					t.Fatalf("%d, %s after %s: %v\nand then: %v", i, signal, at, r, again)
				}
			}
			d.must(t, "render") // nothing to write; whatever takes the lock drops a journal that is of no use
			if got := d.names(t); !slices.Equal(got, want) {
				t.Fatalf("%d, %s after %s: files %v, want %v", i, signal, at, got, want)
			}
			d.must(t, "config", "validate")
			d.must(t, "diff")
			if err := os.RemoveAll(d.dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("init takes %s; %d of %d were done before the signal came", took, done, 2*iterations)
	if done == 2*iterations {
		t.Errorf("none was stopped")
	}
}

// listedUsers is `regctl user ls --json`, as far as tests ask.
type listedUsers struct {
	Users []struct {
		Name  string
		Admin bool
		Pull  []string
	}
	Problems []string
}

func (l listedUsers) has(name string) bool {
	for _, u := range l.Users {
		if u.Name == name {
			return true
		}
	}
	return false
}

// TestUserAddKilled kills user add at moments drawn at random: the users that
// were there stay, the new one is there or not, and the next change works.
func TestUserAddKilled(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{})
	took := d.must(t, "user", "add", "first").took
	there, half := 0, 0
	for i := range iterations {
		name, next := fmt.Sprintf("killed%d", i), fmt.Sprintf("next%d", i)
		p := d.start(t, "", "user", "add", name, "--admin")
		at := rand.N(took)
		time.Sleep(at) // the moment is the test
		p.signal(t, syscall.SIGKILL)
		r := p.wait(t)
		if r.status == 0 {
			took = min(took, r.took)
		}
		d.must(t, "user", "add", next)
		ls := d.regctl(t, "user", "ls", "--json")
		var list listedUsers
		ls.json(t, &list)
		if !list.has("admin") || !list.has("first") || !list.has(next) || r.status == 0 && !list.has(name) {
			t.Fatalf("%d, killed after %s: %v\nand then: %v", i, at, r, ls)
		}
		switch {
		case ls.status == 3 && !list.has(name) && len(list.Problems) == 1 && strings.Contains(list.Problems[0], "rights for "+name):
			half++ // rights without a user let nobody in
		case ls.status != 0:
			t.Fatalf("%d, killed after %s: %v\nand then: %v", i, at, r, ls)
		}
		if list.has(name) {
			there++
			d.must(t, "user", "rm", name)
		}
		// Whatever came of it, the next add gives the rights it was asked for.
		d.must(t, "user", "add", name, "--pull", "team/**")
	}
	var list listedUsers
	ls := d.regctl(t, "user", "ls", "--json")
	ls.want(t, 0)
	ls.json(t, &list)
	if len(list.Users) != 2+2*iterations {
		t.Errorf("%d users, want %d", len(list.Users), 2+2*iterations)
	}
	for _, u := range list.Users {
		if strings.HasPrefix(u.Name, "killed") && (u.Admin || !slices.Equal(u.Pull, []string{"team/**"})) {
			t.Errorf("%+v has other rights than the second add gave", u)
		}
	}
	d.regctlInput(t, d.password, "user", "check", "admin", "--password-stdin").want(t, 0)
	t.Logf("user add takes %s; in %d of %d the user was there, in %d only the rights were", took, there, iterations, half)
}
