package retention

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkMake judges 200,000 tags in 200 repositories by three rules.
func BenchmarkMake(b *testing.B) {
	f := Facts{Now: now, Running: &Running{}}
	for r := range 200 {
		for i := range 1000 {
			f.Tags = append(f.Tags, Tag{Repository: fmt.Sprintf("team/r%d", r), Name: fmt.Sprintf("1.%d.%d-dev.%d", i%7, i%50, i), Digest: digestOf(i), Pushed: now.Add(-time.Duration(i) * time.Hour)})
		}
	}
	p := Policy{KeepRunning: true, MaxDelete: 50, Immutable: []string{"**:v*"}, Rules: []Rule{
		{Repositories: everywhere, KeepLast: 10, KeepWithin: 30 * day}, {Repositories: []string{"team/*"}, KeepSemver: Semver{Majors: 2, Minors: 3, Patches: 1}}, {Repositories: []string{"other/**"}, KeepLast: 1}}}
	for b.Loop() {
		if _, err := Make(p, f); err != nil {
			b.Fatal(err)
		}
	}
}
