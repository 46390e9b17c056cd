package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The file system fails while a collection is at work: one call, or from there on
// all of them. It ends with a message of one line, and a hint perhaps; what is to
// stay stays, what was begun is undone, and the next run does it.
func TestCollectionOnAFileSystemThatFails(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	undisturbed := newGarbage(t, filepath.Join(root, "undisturbed"))
	args := append([]string{"gc", "--root", undisturbed.Dir}, collectAll...)
	counted := &failing{under: undisturbed.Dir}
	if out, status := runFailing(t, counted, args...); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	want := stored(t, undisturbed.Dir, false)
	tried := toTry(counted.calls)
	t.Logf("%d calls, of which %d are tried", len(counted.calls), len(tried))
	errnos := []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EROFS, syscall.EACCES}
	statuses := map[int]int{}
	for i, n := range tried {
		g := newGarbage(t, filepath.Join(root, fmt.Sprint(n)))
		before := stored(t, g.Dir, false)
		args[2] = g.Dir
		flushes := strings.HasPrefix(counted.calls[n-1], flush)
		f := &failing{under: g.Dir, at: n, forEver: i%3 == 2 && !flushes, errno: errnos[i%len(errnos)]}
		out, status := runFailing(t, f, args...)
		statuses[status]++
		when := fmt.Sprintf("%s fails (%v, for ever: %v): status %d\n%s\n", f.failed, f.errno, f.forEver, status, out)
		g.whole(t, when)
		switch status {
		case statusDone, statusProblems:
		case statusFailed:
			if !f.forEver {
				if now := stored(t, g.Dir, false); !maps.Equal(now, before) && !maps.Equal(now, want) {
					t.Errorf("%s: half done", when)
				}
				g.noHold(t, when)
			}
			lines := strings.Split(strings.TrimSpace(out), "\n")
			last := lines[len(lines)-1]
			if strings.HasPrefix(last, "hint: ") && len(lines) > 1 {
				last = lines[len(lines)-2]
			}
			if !strings.HasPrefix(last, "regctl: ") || !strings.Contains(last, f.errno.Error()) {
				t.Errorf("%s: it is not told what is wrong", when)
			}
		default:
			t.Errorf("%s: not a status for that", when)
		}
		again(t, g, i, when, args, want)
		os.RemoveAll(g.Dir)
		if t.Failed() {
			break
		}
	}
	t.Logf("statuses: %v", statuses)
	if statuses[statusFailed] < 5 || len(slices.Collect(maps.Keys(statuses))) < 2 {
		t.Errorf("that is too little to find anything: %v", statuses)
	}
}

// What tells one call from another of its kind: digests, numbers, dates.
var particular = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]+(T[0-9]+Z)?`)

// flush begins what is told of a call of fsync.
var flush = fmt.Sprintf("call %d ", syscall.SYS_FSYNC)

// toTry are the calls to try, by their place counted from 1: those that flush, and
// some of each kind; all if that is wished.
func toTry(calls []string) (places []int) {
	kinds := map[string]bool{}
	for i, call := range calls {
		number, path, _ := strings.Cut(call, " of ")
		kind := number + particular.ReplaceAllString(path, "*")
		fresh := !kinds[kind]
		kinds[kind] = true
		if strings.HasPrefix(call, flush) || fresh && len(kinds)%every(16) == 0 || every(16) == 1 {
			places = append(places, i+1)
		}
	}
	return places
}
