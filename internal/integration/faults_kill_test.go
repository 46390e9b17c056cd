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
	if done > iterations {
		t.Errorf("not much of a test")
	}
}

// TestUserAddKilled kills user add at moments drawn at random: the users that
// were there stay, the new one is there or not, and the next change works.
func TestUserAddKilled(t *testing.T) {
	t.Parallel()
	d := initialised(t, options{})
	took := d.must(t, "user", "add", "first").took
	there := 0
	for i := range iterations {
		name, next := fmt.Sprintf("killed%d", i), fmt.Sprintf("next%d", i)
		p := d.start(t, "", "user", "add", name)
		at := rand.N(took)
		time.Sleep(at) // the moment is the test
		p.signal(t, syscall.SIGKILL)
		r := p.wait(t)
		d.must(t, "user", "add", next)
		list := d.must(t, "user", "ls")
		users := strings.Fields(list.stdout)
		if list.stderr != "" || !slices.Contains(users, "admin") || !slices.Contains(users, "first") || !slices.Contains(users, next) {
			t.Fatalf("%d, killed after %s: %v\nand then: %v", i, at, r, list)
		}
		if slices.Contains(users, name) {
			there++
		} else if r.status == 0 {
			t.Fatalf("%d: it was done, but the user is not there: %v", i, list)
		}
		if r.status == 0 {
			continue
		}
		// Whatever came of it, the person gets a password by typing on.
		if slices.Contains(users, name) {
			d.must(t, "user", "passwd", name)
		} else {
			d.must(t, "user", "add", name)
		}
	}
	check := d.regctlInput(t, d.password, "user", "check", "admin", "--password-stdin")
	check.want(t, 0)
	if got := len(strings.Fields(d.must(t, "user", "ls").stdout)); got != 2+2*iterations {
		t.Errorf("%d users, want %d", got, 2+2*iterations)
	}
	t.Logf("user add takes %s; in %d of %d the user was there", took, there, iterations)
}
