package cli

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// removals are the commands that take something away.
var removals = []struct {
	name string
	args []string
	step int // changes between two at which it is killed
}{
	{"gc", append([]string{"gc"}, collectAll...), 5},
	{"repo rm", []string{"repo", "rm", "drop", "--yes"}, 3},
	{"tag rm", []string{"tag", "rm", "drop:v1", "--yes"}, 5},
}

// The command is killed before a change that it makes to the storage, one run each.
// What is to stay is there in that very instant, nothing is lost; and whatever comes
// next (undo, the same again, the same twice at once) ends as if it had not been
// killed.
func TestCollectionKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	for i, c := range removals {
		undisturbed := newGarbage(t, filepath.Join(root, fmt.Sprint("undisturbed", i)))
		mustRun(t, append(c.args, "--root", undisturbed.Dir)...)
		want := stored(t, undisturbed.Dir, false)
		n := 1
		for ; ; n += every(c.step) {
			g := newGarbage(t, filepath.Join(root, fmt.Sprintf("%d-%d", i, n)))
			args := append(slices.Clone(c.args), "--root", g.Dir)
			killed := runKilled(t, n, args...)
			when := fmt.Sprintf("%s killed before change %d", c.name, n)
			g.whole(t, when)
			again(t, g, n/every(c.step), when, args, want)
			if !killed || t.Failed() {
				break
			}
			os.RemoveAll(g.Dir)
		}
		t.Logf("%s: %d changes", c.name, n)
		if n < 15 {
			t.Errorf("%s makes %d changes only: they are not seen", c.name, n)
		}
	}
}

// again goes on after a run that was killed or failed, in one of several ways.
func again(t *testing.T, g *garbageTree, way int, when string, args []string, want map[string]string) {
	t.Helper()
	switch way % 3 {
	case 0:
		if out, status := run(t, "gc", "undo", "--root", g.Dir, "--yes"); status != 0 && status != 1 {
			t.Errorf("%s, then undo: status %d\n%s", when, status, out)
		}
		sameFiles(t, when+", then undo", stored(t, g.Dir, true), g.before)
		g.noHold(t, when+", then undo")
	case 1:
		said, statuses := atOnce(t, args, args)
		if slices.ContainsFunc(statuses, func(s int) bool { return s != 0 && s != statusLocked && !(s == 1 && args[0] != "gc") }) {
			t.Errorf("%s, then twice at once: statuses %v\n%s", when, statuses, said)
		}
		g.whole(t, when+", then twice at once")
	}
	// What is to be removed may have been removed already.
	if out, status := run(t, args...); status != 0 && !(status == 1 && args[0] != "gc") {
		t.Errorf("%s, then again: status %d\n%s", when, status, out)
	}
	// That is for good: no later run takes it for what a killed one took.
	mustRun(t, "gc", "--root", g.Dir, "--yes")
	sameFiles(t, when+", then again", stored(t, g.Dir, false), want)
	g.whole(t, when+", then again")
	g.noHold(t, when+", then again")
}

// atOnce runs regctl several times at once.
func atOnce(t *testing.T, commands ...[]string) (said []string, statuses []int) {
	t.Helper()
	said, statuses = make([]string, len(commands)), make([]int, len(commands))
	var wg sync.WaitGroup
	for i, args := range commands {
		wg.Go(func() { said[i], statuses[i] = run(t, args...) })
	}
	wg.Wait()
	return said, statuses
}

// The same for undo, and for purge: that is done in the end, or was not begun.
func TestUndoAndPurgeOfACollectionKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	for what, step := range map[string]int{"undo": 5, "purge": 13} {
		n := 1
		for ; ; n += every(step) {
			g := newGarbage(t, filepath.Join(root, fmt.Sprint(what, n)))
			mustRun(t, append([]string{"gc", "--root", g.Dir}, collectAll...)...)
			collected := stored(t, g.Dir, true)
			args := []string{"gc", what, "--root", g.Dir, "--yes"}
			if what == "purge" {
				args = append(args, "--keep-trash", "0s")
			}
			killed := runKilled(t, n, args...)
			when := fmt.Sprintf("%s killed before change %d", what, n)
			if what == "undo" {
				g.whole(t, when)
			}
			out, status := run(t, args...)
			switch {
			case what == "undo" && (status == 0 || status == 1):
				sameFiles(t, when+", then again", stored(t, g.Dir, true), g.before)
			case what == "purge" && status == 0:
				sameFiles(t, when+", then again", stored(t, g.Dir, true), collected)
				if left, err := os.ReadDir(g.Path(".regctl/trash")); len(left) > 0 {
					t.Errorf("%s, then again: left in the trash: %v (%v)", when, left, err)
				}
			default:
				t.Errorf("%s, then again: status %d\n%s", when, status, out)
			}
			if !killed || t.Failed() {
				break
			}
			os.RemoveAll(g.Dir)
		}
		t.Logf("%s: %d changes", what, n)
		if n < 10 {
			t.Errorf("%s makes %d changes only: they are not seen", what, n)
		}
	}
}

// Kills at any time, one upon another, some while two work on the same storage. In
// the end everything can be put back.
func TestCollectionsKilledAtRandom(t *testing.T) {
	t.Parallel()
	g := newGarbage(t, filepath.Join(memoryDir(t), "d"))
	args := append(append([]string{"gc"}, collectAll...), "--root", g.Dir)
	took := time.Duration(0)
	for i := range 12 {
		command := args
		if i%4 == 3 {
			command = []string{"gc", "undo", "--root", g.Dir, "--yes"}
		}
		var wg sync.WaitGroup
		for range 1 + i%2 {
			wg.Go(func() {
				began := time.Now()
				cmd := exec.Command("regctl", command...)
				cmd.Env = noDocker()
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				if i > 0 {
					time.AfterFunc(rand.N(took), func() { cmd.Process.Kill() })
				}
				cmd.Wait() // says that it was killed
				if i == 0 {
					took = time.Since(began)
				}
			})
		}
		wg.Wait()
		g.whole(t, fmt.Sprintf("after run %d", i))
	}
	for status := 0; status == 0; {
		_, status = run(t, "gc", "undo", "--root", g.Dir, "--yes")
	}
	sameFiles(t, "all undone", stored(t, g.Dir, true), g.before)
	g.noHold(t, "all undone")
}
