package fsck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/gc"
	"github.com/regctl/regctl/pkg/storage"
)

func TestSlices(t *testing.T) {
	for _, of := range []int{1, 2, 7, 30, 1000} {
		seen := map[int]int{}
		for n := range 5000 {
			d := storage.SHA256.Of(fmt.Append(nil, n))
			in := 0
			for part := 1; part <= of; part++ {
				if (Slice{part, of}).Has(d) {
					in++
					seen[part]++
				}
			}
			if in != 1 {
				t.Fatalf("%s is in %d slices of %d", d, in, of)
			}
		}
		if of <= 30 && len(seen) != of {
			t.Errorf("%d of %d slices have anything", len(seen), of)
		}
	}
	day := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	parts := map[int]bool{}
	for n := range 7 {
		s, err := ParseSlice("today/7", day.AddDate(0, 0, n))
		if err != nil || s.Of != 7 {
			t.Fatalf("%v, %v", s, err)
		}
		parts[s.Part] = true
	}
	if len(parts) != 7 {
		t.Errorf("a week has %v", parts)
	}
	for _, bad := range []string{"", "1", "0/7", "8/7", "-1/7", "1/0", "1/x", "yesterday/7", "1/100000"} {
		if s, err := ParseSlice(bad, day); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
}

func TestSlicesHashEverything(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.File(storage.BlobPath(s.layer)+"/data", "LAYER ONE")
	hashed, found := 0, 0
	for part := 1; part <= 5; part++ {
		r := run(t, s.Dir, Options{Slice: Slice{part, 5}})
		hashed += r.Checked.Hashed
		if r.Damaged() {
			found++
		}
	}
	if all := run(t, s.Dir, Options{Fast: true}).Checked.Blobs; hashed != all || found != 1 {
		t.Errorf("%d of %d blobs, found by %d", hashed, all, found)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]int64{"50MiB/s": 50 << 20, "50M": 50 << 20, "800k/s": 800 << 10, "1.5GB": 15e8, "1024": 1024, "7b/s": 7} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "fast", "-1", "0", "1e400", "nan", "inf", "5X", "1MMi", "1/s/s"} {
		if got, err := ParseRate(bad); err == nil {
			t.Errorf("%q is %d", bad, got)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	for i := range 6 {
		s.Layer("team", fmt.Sprint(i)+string(make([]byte, chunk-1)))
	}
	begun := time.Now()
	r := run(t, s.Dir, Options{Rate: 1 << 20})
	// The first chunk is free.
	least := time.Duration(float64(r.Checked.HashedBytes-chunk) / (1 << 20) * float64(time.Second))
	if took := time.Since(begun); took < least*9/10 || took > 20*least {
		t.Errorf("%d bytes took %s, want %s", r.Checked.HashedBytes, took, least)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.Layer("team", string(make([]byte, 4<<20)))
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, stop)
	if r, err := Check(ctx, s.Dir, Options{Rate: 1 << 20}); !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

// A rescued disk may be read-only: nothing at all is written there.
func TestReadsOnly(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.File(storage.BlobPath(s.layer)+"/data", "LAYER ONE")
	times := func() (out string) {
		filepath.Walk(s.Dir, func(path string, info os.FileInfo, err error) error {
			out += fmt.Sprintln(path, info.ModTime(), info.Mode(), info.Size())
			return err
		})
		return out
	}
	before := times()
	run(t, s.Dir, Options{})
	if times() != before {
		t.Error("a check wrote something")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	path := filepath.Join(t.TempDir(), "state", "fsck.json")
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	add := func(n int, o Options) *Report {
		r := run(t, s.Dir, o)
		h := ReadHistory(path)
		h.Add(r, day(n))
		if err := h.Write(path); err != nil {
			t.Fatal(err)
		}
		return r
	}
	add(1, Options{})
	add(2, Options{Fast: true})
	s.File(storage.BlobPath(s.layer)+"/data", "LAYER ONE")
	add(3, Options{Fast: true}) // does not see it
	for _, n := range []int{4, 5} {
		r := add(n, Options{})
		p := r.Problems[0]
		if !p.FirstSeen.Equal(day(4)) || !p.LastGood.Equal(day(1)) || p.Since == nil {
			t.Errorf("day %d: first %v, good %v", n, p.FirstSeen, p.LastGood)
		}
		if b := r.Broken[0]; !b.FirstSeen.Equal(day(4)) || !b.LastGood.Equal(day(1)) {
			t.Errorf("day %d: %+v", n, b)
		}
	}
	add(6, Options{Fast: true}) // does not forget it
	if r := add(7, Options{}); !r.Problems[0].FirstSeen.Equal(day(4)) {
		t.Errorf("%+v", r.Problems)
	}
	s.File(storage.BlobPath(s.layer)+"/data", "layer one")
	add(8, Options{})
	s.Remove(storage.BlobPath(s.layer))
	if r := add(9, Options{Fast: true}); !r.Problems[0].FirstSeen.Equal(day(9)) || !r.Problems[0].LastGood.Equal(day(8)) {
		t.Errorf("%+v", r.Problems)
	}
	if err := os.WriteFile(path, []byte("not json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := add(10, Options{Fast: true}); !r.Problems[0].FirstSeen.Equal(day(10)) || r.Problems[0].LastGood != nil {
		t.Errorf("%+v", r.Problems)
	}
}

func TestSparse(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	s.Remove(storage.RevisionPath("team/app", s.arm))
	s.Remove(storage.BlobPath(s.arm))
	if r := run(t, s.Dir, Options{Sparse: true}); r.Damaged() || len(r.Broken) > 0 {
		t.Errorf("%+v", r.Problems)
	}
}

// What a collection took too early is still in its trash.
func TestRepairFromTrash(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	tag := s.TagLink("team", "x")
	s.Remove(storage.TagPath("team", "x"))
	res, err := gc.Collect(t.Context(), s.Dir, gc.Options{DeleteUntagged: true, KeepTrash: time.Hour})
	if err != nil || res.Blobs.Deleted == 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	d, err := storage.ParseDigest(tag)
	if err != nil {
		t.Fatal(err)
	}
	s.Tag("team", "x", d)
	s.LinkRevision("team", d)
	if r := run(t, s.Dir, Options{Fast: true}); len(r.Broken) != 1 {
		t.Fatalf("%+v", r.Problems)
	}
	m := mend(t, s.Dir, "", MendOptions{})
	if m.Report.Damaged() || m.Steps[0].From != "the trash of gc" {
		t.Errorf("%+v %v", m.Report.Problems, m.Steps)
	}
	whole(t, s.Dir)
}

// TagLink is what a tag's link says.
func (s sample) TagLink(repo, tag string) string {
	data, err := os.ReadFile(s.Path(storage.TagLinkPath(repo, tag)))
	if err != nil {
		panic(err)
	}
	return string(data)
}
