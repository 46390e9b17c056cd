package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Fifty at once, each a process of its own, lose none; each one's password works.
func TestFiftyUsersAtOnce(t *testing.T) {
	dir := filepath.Join(memoryDir(t), "d")
	mustRun(t, "init", dir, "--domain", "localhost")
	const n = 50
	out := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var status int
			if out[i], status = run(t, "user", "add", fmt.Sprint("user", i), "-q", "-C", dir); status != 0 {
				t.Errorf("user%d: status %d, %s", i, status, out[i])
			}
		})
	}
	wg.Wait()
	list := mustRun(t, "user", "ls", "-C", dir)
	for i := range n {
		if !strings.Contains(list, fmt.Sprintf("\nuser%d ", i)) {
			t.Errorf("user%d is lost", i)
		}
	}
	if got := strings.Count(list, "\n"); got != n+2 { // a heading, and the first user
		t.Errorf("there are %d lines, want %d:\n%s", got, n+2, list)
	}
	for _, i := range []int{0, 17, n - 1} {
		app, _, errs := inProcess("user", "check", fmt.Sprint("user", i), "--password-stdin", "-C", dir)
		app.In = strings.NewReader(out[i])
		if status := app.Run(t.Context()); status != 0 {
			t.Errorf("the password of user%d: status %d, %s", i, status, errs)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", ".regctl-tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Several that set the same directory up: one does, and what it wrote is whole;
// the others find it done or at work.
func TestInitsAtOnce(t *testing.T) {
	for range 3 {
		dir := filepath.Join(memoryDir(t), "new", "d")
		const n = 6
		var wg sync.WaitGroup
		var mu sync.Mutex
		wrote := 0
		for range n {
			wg.Go(func() {
				out, status := run(t, "init", dir, "--domain", "localhost")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case status == 0 && strings.Contains(out, "wrote a registry"):
					wrote++
				case status == 0 && strings.Contains(out, "nothing to change"):
				case status == 6 && strings.Contains(out, "another regctl is at work"):
				default:
					t.Errorf("status %d\n%s", status, out)
				}
			})
		}
		wg.Wait()
		if wrote != 1 {
			t.Errorf("%d wrote it", wrote)
		}
		mustRun(t, "diff", "-C", dir)
		if list := mustRun(t, "user", "ls", "-C", dir); strings.Count(list, "\n") != 2 {
			t.Errorf("the users are\n%s", list)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".regctl-tmp-*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		os.RemoveAll(dir)
	}
}
