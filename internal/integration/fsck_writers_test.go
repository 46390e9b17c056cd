//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fsckRuns is how many checks there are beside pushes, for as long as that takes;
// without it there are those of some seconds.
const fsckRuns = "REGCTL_TEST_FSCK_RUNS"

// What pushes and deletions have under way is never taken for damage, nor is what a
// collection does.
func TestFsckWhilePushing(t *testing.T) {
	t.Parallel()
	most, err := strconv.Atoi(envOr(fsckRuns, "0"))
	if err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string]string{"registry 3": imageRegistry3, "registry 2": imageRegistry2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, options{registry: image})
			f.pushRandom(t, "busy/app:first", 1)
			root := f.volume(t, "registry-data")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var pushes, deletions atomic.Int64
			for w := range 3 {
				wg.Go(func() {
					for n := 0; !t.Failed(); n++ {
						select {
						case <-stop:
							return
						default:
						}
						// A repository for each: 2.x writes a tag's link in place, and answers 500
						// to another who asks for it just then.
						repo := fmt.Sprintf("busy/app%d", w)
						// Whether a busy machine cuts a connection is no question of this test.
						digest, err := f.tryPush(t, fmt.Sprintf("%s:%d", repo, n%4), 2)
						if err != nil {
							t.Log(err)
							continue
						}
						pushes.Add(1)
						if n%3 != 2 {
							continue
						}
						if a, err := f.tryAsk(t, f.boss(), http.MethodDelete, "/v2/"+repo+"/manifests/"+digest, ""); err == nil && a.StatusCode == http.StatusAccepted {
							deletions.Add(1)
						}
					}
				})
			}
			end := time.Now().Add(15 * time.Second)
			runs, longest := 0, time.Duration(0)
			for ; (runs < most || most == 0 && (runs < 5 || time.Now().Before(end))) && !t.Failed(); runs++ {
				args := []string{"fsck", "--json", "--dry-run", "--root", root}
				if runs%2 == 0 {
					args = append(args, "--fast")
				}
				var c checked
				r := f.regctl(t, args...)
				r.json(t, &c)
				if runs%100 == 99 {
					t.Logf("%d checks", runs+1)
				}
				if r.status != 0 || len(c.Problems) > 0 {
					t.Errorf("run %d: status %d, %+v", runs, r.status, c.Problems)
				}
				longest = max(longest, r.took)
				if runs%25 == 24 { // else there is soon more to be read than is of use
					f.must(t, "gc", "--yes", "--delete-untagged", "--untagged-older-than", "0s", "--grace", "10s", "--keep-trash", "0s")
				}
			}
			close(stop)
			wg.Wait()
			if pushes.Load() < 3 || deletions.Load() == 0 {
				t.Error("hardly anything was pushed or deleted")
			}
			t.Logf("%d checks, the longest %s, beside %d pushes and %d deletions", runs, longest, pushes.Load(), deletions.Load())
		})
	}
}
