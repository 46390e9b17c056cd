package backup

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
)

// Whoever restores, pulls or verifies reads for long: what it needs stays until all
// are done.
func TestNothingIsPrunedWhileOthersRead(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	refused := func(what string) {
		t.Helper()
		var busy *BusyError
		if _, err := s.Prune(t.Context(), PruneOptions{}); !errors.As(err, &busy) || busy.Holder.Exclusive {
			t.Errorf("prune beside %s: %v", what, err)
		}
	}
	first, _, err := s.Reading(t.Context(), "regctl restore")
	if err != nil {
		t.Fatal(err)
	}
	second, held, err := s.Reading(t.Context(), "regctl backup drill")
	if err != nil {
		t.Fatal(err)
	}
	refused("two who read")
	first()
	refused("one who reads")
	if held.Err() != nil {
		t.Errorf("the other ended as well: %v", held.Err())
	}
	second()
	if held.Err() == nil {
		t.Error("it is held still")
	}
	if _, err := s.Prune(t.Context(), PruneOptions{}); err != nil {
		t.Errorf("after all: %v", err)
	}
	_, alone, err := s.Locked(t.Context(), true, "regctl backup prune")
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Release()
	var busy *BusyError
	if _, _, err := s.Reading(t.Context(), "regctl restore"); !errors.As(err, &busy) {
		t.Errorf("reading beside prune: %v", err)
	}
}

// However small the part and few the blobs, one is read, and not the same each time.
func TestASmallPartOfFewBlobs(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	present, err := s.present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[storage.Digest]bool{}
	for d, size := range present.all() {
		all[d] = true
		if err := os.WriteFile(filepath.Join(dst, s.blobName(d)), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := map[storage.Digest]bool{}
	for range 50 * len(all) {
		v, err := s.Verify(t.Context(), VerifyOptions{Data: 0.0001})
		if err != nil || v.Read < 1 || int(v.Read) != len(v.Problems) {
			t.Fatalf("%+v %v", v, err)
		}
		for _, p := range v.Problems {
			read[p.Digest] = true
		}
	}
	if !maps.Equal(read, all) {
		t.Errorf("only these were ever read: %v of %d", slices.Collect(maps.Keys(read)), len(all))
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{}); err != nil || v.Read != 0 || len(v.Problems) != 0 {
		t.Errorf("no part: %+v %v", v, err)
	}
}
