package backup

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func snapAt(text string, missing int) *Snapshot {
	when, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return &Snapshot{ID: text, Time: when, Missing: missing}
}

func TestWhichSnapshotsStay(t *testing.T) {
	all := []*Snapshot{
		snapAt("2026-01-31 04:00", 0), snapAt("2026-02-28 04:00", 0), snapAt("2026-03-01 04:00", 0),
		snapAt("2026-03-02 04:00", 0), snapAt("2026-03-02 16:00", 0), snapAt("2026-03-05 04:00", 0),
	}
	for _, c := range []struct {
		keep Keep
		want string // the newest first
	}{
		{Keep{}, "2026-03-05 04:00,2026-03-02 16:00,2026-03-02 04:00,2026-03-01 04:00,2026-02-28 04:00,2026-01-31 04:00"},
		{Keep{Last: 2}, "2026-03-05 04:00,2026-03-02 16:00"},
		// Days without one do not count, and of a day the last stays.
		{Keep{Daily: 3}, "2026-03-05 04:00,2026-03-02 16:00,2026-03-01 04:00"},
		// ISO weeks begin on Monday: 2026-03-01 is the Sunday of the week before.
		{Keep{Weekly: 2}, "2026-03-05 04:00,2026-03-01 04:00"},
		{Keep{Monthly: 3}, "2026-03-05 04:00,2026-02-28 04:00,2026-01-31 04:00"},
		{Keep{Last: 1, Monthly: 2}, "2026-03-05 04:00,2026-02-28 04:00"},
	} {
		var kept []string
		for _, d := range c.keep.Apply(all, time.UTC) {
			if d.Kept {
				kept = append(kept, d.ID)
				if len(d.Reasons) == 0 {
					t.Errorf("%+v: %s stays without a reason", c.keep, d.ID)
				}
			}
		}
		if got := strings.Join(kept, ","); got != c.want {
			t.Errorf("%+v: %s, not %s", c.keep, got, c.want)
		}
	}
}

func TestTheLastGoodSnapshotStays(t *testing.T) {
	all := []*Snapshot{snapAt("2026-01-01 04:00", 0), snapAt("2026-01-02 04:00", 3), snapAt("2026-01-03 04:00", 1)}
	var kept []string
	for _, d := range (Keep{Last: 1}).Apply(all, time.UTC) {
		if d.Kept {
			kept = append(kept, fmt.Sprint(d.ID, d.Reasons))
		}
	}
	if got := strings.Join(kept, ","); got != "2026-01-03 04:00[last],2026-01-01 04:00[last good]" {
		t.Error(got)
	}
}

// Hosts can share a store: what one keeps does not count for another.
func TestEachRegistryKeepsItsOwn(t *testing.T) {
	var all []*Snapshot
	for i, from := range [][2]string{{"a", "registry"}, {"b", "registry"}, {"b", "other"}, {"a", "registry"}, {"b", "registry"}} {
		s := snapAt(fmt.Sprintf("2026-01-01 0%d:00", i), 0)
		s.Host, s.Project = from[0], from[1]
		all = append(all, s)
	}
	all[4].Missing = 1 // the newest of its own, and not good
	var kept []string
	for _, d := range (Keep{Last: 1}).Apply(all, time.UTC) {
		if d.Kept {
			kept = append(kept, fmt.Sprint(d.ID[11:], d.Host, d.Project, d.Reasons))
		}
	}
	want := "04:00bregistry[last], 03:00aregistry[last], 02:00bother[last], 01:00bregistry[last good]"
	if got := strings.Join(kept, ", "); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

func TestForget(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	first, second := create(t, s, src).Snapshot, create(t, s, src).Snapshot
	if err := s.Forget(t.Context(), []string{first, second}, "test"); !errors.Is(err, ErrLastGood) {
		t.Errorf("both: %v", err)
	}
	if err := s.Forget(t.Context(), []string{"../locks"}, "test"); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("a path: %v", err)
	}
	if err := s.Forget(t.Context(), []string{first}, "test"); err != nil {
		t.Fatal(err)
	}
	if all := snapshots(t, s); len(all) != 1 || all[0].ID != second {
		t.Fatal(all)
	}
	for name := range files(t, dst) {
		if strings.Contains(name, first) {
			t.Errorf("%s is left", name)
		}
	}
	if err := s.Forget(t.Context(), []string{second}, "test"); !errors.Is(err, ErrLastGood) {
		t.Errorf("the last: %v", err)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	a, b, dst := t.TempDir(), t.TempDir(), t.TempDir()
	smallTree(a)
	tree := smallTree(b)
	tree.Tag("app", "v9", tree.Image("app", "config 9", "layer nine"))
	s := openStore(t, dst, Keys{})
	create(t, s, a)
	big := create(t, s, b).Snapshot
	create(t, s, a)
	if out, err := s.Prune(t.Context(), PruneOptions{}); err != nil || out.Removed != 0 {
		t.Fatal(err, out)
	}
	if err := s.Forget(t.Context(), []string{big}, "test"); err != nil {
		t.Fatal(err)
	}
	before := files(t, dst)
	out, err := s.Prune(t.Context(), PruneOptions{DryRun: true})
	if err != nil || out.Removed != 3 || len(differences(before, files(t, dst))) > 0 {
		t.Fatal(err, out)
	}
	if out, err = s.Prune(t.Context(), PruneOptions{}); err != nil || out.Removed != 3 {
		t.Fatal(err, out)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Unused > 0 {
		t.Fatal(err, v)
	}
}

// Unreadable means keep.
func TestPruneRefusesWhatItCannotRead(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	for _, name := range []string{blobsName, summaryName, sumsName} {
		dst := t.TempDir()
		s := openStore(t, dst, Keys{})
		id := create(t, s, src).Snapshot
		create(t, s, src)
		flip(t, partPath(s, dst, id, name), 20)
		before := files(t, dst)
		if _, err := s.Prune(t.Context(), PruneOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if diff := differences(before, files(t, dst)); len(diff) > 0 {
			t.Errorf("%s: %v", name, diff)
		}
	}
}
