//go:build integration

package integration

import (
	"net/http"
	"testing"
)

// TestSameProject has a second deployment with the project name of one that
// runs: Docker Compose would take its containers over.
func TestSameProject(t *testing.T) {
	t.Parallel()
	first := stack(t, options{})
	second := initialised(t, options{})
	second.setConfig(t, "project", "", first.project)
	says := `the Compose project "` + first.project + `" belongs to ` + first.dir
	first.untouched(t, func() {
		before := second.tree(t)
		for _, args := range [][]string{{"up"}, {"up", "--force"}, {"up", "--dry-run"}, {"down"}, {"restart"}, {"logs"}} {
			second.regctl(t, args...).want(t, 1, says, "hint: ")
		}
		// It shows what there is, and whose it is.
		r := second.regctl(t, "status", "--json")
		r.want(t, 3)
		var s statusOutput
		r.json(t, &s)
		if len(s.Problems) == 0 || s.Problems[0] != says {
			t.Errorf("status of the second: %+v", s.Problems)
		}
		sameMap(t, "files of the second", before, second.tree(t))
	})
	if got := first.login(t, first.user, first.password); got != http.StatusOK {
		t.Errorf("login to the first: %d", got)
	}
	// With another name both run.
	second.setConfig(t, "project", "", second.project)
	first.untouched(t, func() { second.must(t, "up") })
}
