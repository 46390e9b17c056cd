package backup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
)

func TestADamagedStore(t *testing.T) {
	layer := storage.SHA256.Of([]byte("layer one"))
	damages := map[string]struct {
		do   func(t *testing.T, s *Store, dir, id string)
		want string // a problem of verify
		err  error  // of a restore
	}{
		"a flipped bit":  {func(t *testing.T, s *Store, dir, _ string) { flip(t, filepath.Join(dir, s.blobName(layer)), -1) }, ObjectCorrupt, ErrIncomplete},
		"a missing blob": {func(t *testing.T, s *Store, dir, _ string) { remove(t, filepath.Join(dir, s.blobName(layer))) }, ObjectMissing, ErrIncomplete},
		"a truncated blob": {func(t *testing.T, s *Store, dir, _ string) {
			if err := os.Truncate(filepath.Join(dir, s.blobName(layer)), 4); err != nil {
				t.Fatal(err)
			}
		}, ObjectSize, ErrIncomplete},
		"swapped blobs": {func(t *testing.T, s *Store, dir, _ string) {
			a, b := filepath.Join(dir, s.blobName(layer)), filepath.Join(dir, s.blobName(storage.SHA256.Of([]byte("layer two"))))
			for _, err := range []error{os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}, ObjectCorrupt, ErrIncomplete},
		"a flipped bit in the listing": {func(t *testing.T, s *Store, dir, id string) {
			flip(t, partPath(s, dir, id, listingName+s.suffix()), 30)
		}, SnapshotDamaged, ErrSnapshot},
		"a flipped bit in the blobs": {func(t *testing.T, s *Store, dir, id string) { flip(t, partPath(s, dir, id, blobsName), 30) }, SnapshotDamaged, ErrSnapshot},
		"a truncated listing": {func(t *testing.T, s *Store, dir, id string) {
			if err := os.Truncate(partPath(s, dir, id, listingName+s.suffix()), 60); err != nil {
				t.Fatal(err)
			}
		}, SnapshotDamaged, ErrSnapshot},
	}
	both, _ := testKeys(t)
	for name, d := range damages {
		for kind, keys := range map[string]Keys{"plain": {}, "encrypted": both} {
			t.Run(name+" "+kind, func(t *testing.T) {
				src, dst := t.TempDir(), t.TempDir()
				smallTree(src)
				s := openStore(t, dst, keys)
				create(t, s, src)
				snap := snapshots(t, s)[0]
				d.do(t, s, dst, snap.ID)
				v, err := s.Verify(t.Context(), VerifyOptions{Data: 1})
				if err != nil {
					t.Fatal(err)
				}
				if len(v.Problems) == 0 || v.Problems[0].ID != d.want {
					t.Errorf("verify: %+v", v.Problems)
				}
				root := filepath.Join(t.TempDir(), "new")
				if _, err := s.Stage(t.Context(), snap, root, RestoreOptions{}); !errors.Is(err, d.err) {
					t.Errorf("restore: %v", err)
				}
				if r, err := prepared(root); !errors.Is(err, ErrNotReady) {
					t.Errorf("prepared although damaged: %v %v", r, err)
				}
				if d.err == ErrIncomplete {
					r, err := s.Stage(t.Context(), snap, root, RestoreOptions{Damaged: true})
					if err != nil || len(r.Problems) == 0 {
						t.Errorf("what is left: %v %+v", err, r)
					}
				}
			})
		}
	}
}

func partPath(s *Store, dir, id, name string) string {
	return filepath.Join(dir, s.snapshotName(id, name))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongKey(t *testing.T) {
	mine, _ := testKeys(t)
	other, _ := testKeys(t)
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, mine)
	create(t, s, src)
	snap := snapshots(t, s)[0]
	for name, keys := range map[string]Keys{"none": {}, "another": other} {
		s.keys = keys
		if _, err := s.Stage(t.Context(), snap, t.TempDir(), RestoreOptions{}); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); !errors.Is(err, ErrKey) {
			t.Errorf("%s: verify --data: %v", name, err)
		}
	}
	s.keys = Keys{}
	if v, err := s.Verify(t.Context(), VerifyOptions{}); err != nil || len(v.Problems) > 0 || v.Links {
		t.Errorf("structure without a key: %v %+v", err, v)
	}
	if _, err := s.Prune(t.Context(), PruneOptions{}); err != nil {
		t.Errorf("prune without a key: %v", err)
	}
	if _, err := Create(t.Context(), s.Target, Keys{}); !errors.Is(err, ErrKey) {
		t.Errorf("a backup that is not encrypted into one that is: %v", err)
	}
	plain := openStore(t, t.TempDir(), Keys{})
	if _, err := Create(t.Context(), plain.Target, mine); !errors.Is(err, ErrKey) {
		t.Errorf("the reverse: %v", err)
	}
}
