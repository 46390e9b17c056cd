package fsck

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// A blob that the disk does not give stays until there is a good one, and is told
// of as long as it stays; it is moved aside, not read, when one comes.
func TestRepairOnFaultyDisk(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	good := copied(t, s.Dir)
	at := s.Path(storage.BlobPath(s.layer) + "/data")
	was, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	faulty := Options{fault: func(d storage.Digest) error {
		// The sectors are the old file's.
		if now, err := os.Stat(at); d == s.layer && err == nil && os.SameFile(now, was) {
			return syscall.EIO
		}
		return nil
	}}
	tags := []string{"team:x", "team/app:1", "team/app:multi"}
	if r := run(t, s.Dir, faulty); !slices.Equal(ids(r), []string{storage.Unreadable}) || !slices.Equal(broken(r), tags) {
		t.Errorf("found %q, %q", ids(r), broken(r))
	}
	for _, fast := range []bool{false, true} {
		// Something that is mended, so that all is looked at once more.
		s.File(storage.RevisionPath("team/app", s.arm)+"/link", "")
		o := MendOptions{Check: faulty}
		if o.Check.Fast = fast; fast {
			o.Suspects = []storage.Digest{s.layer}
		}
		m := mend(t, s.Dir, "", o)
		if !slices.Equal(ids(m.Report), []string{storage.Unreadable}) || !slices.Equal(broken(m.Report), tags) || !slices.Equal(m.Suspects, []storage.Digest{s.layer}) {
			t.Errorf("fast %v, nobody to ask: left %q, %q, suspects %v", fast, ids(m.Report), broken(m.Report), m.Suspects)
		}
		if _, err := os.Stat(at); err != nil {
			t.Errorf("fast %v: what may be readable tomorrow is gone: %v", fast, err)
		}
	}
	m := mend(t, s.Dir, good, MendOptions{Check: faulty})
	if m.Report.Damaged() || !strings.HasPrefix(m.Steps[0].Aside, damagedDir) {
		t.Errorf("left %q, %v", ids(m.Report), m.Steps)
	}
	whole(t, s.Dir)
}

// What only hashing finds is not forgotten by a check that does not hash.
func TestHistoryOfFaultyDisk(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	h := ReadHistory("")
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h.Add(run(t, s.Dir, Options{}), day)
	bad := Options{fault: func(d storage.Digest) error {
		if d == s.layer {
			return errors.New("input/output error")
		}
		return nil
	}}
	h.Add(run(t, s.Dir, bad), day.AddDate(0, 0, 1))
	h.Add(run(t, s.Dir, Options{Fast: true}), day.AddDate(0, 0, 2))
	r := run(t, s.Dir, bad)
	h.Add(r, day.AddDate(0, 0, 3))
	if p := r.Problems[0]; p.FirstSeen == nil || !p.FirstSeen.Equal(day.AddDate(0, 0, 1)) || p.LastGood == nil || !p.LastGood.Equal(day) {
		t.Errorf("first seen %v, last good %v", p.FirstSeen, p.LastGood)
	}
}
