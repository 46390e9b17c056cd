package backup

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// testKeys are a new pair.
func testKeys(t *testing.T) (both, recipientOnly Keys) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if both, err = NewKeys([]string{id.Recipient().String()}, []byte("# comment\n"+id.String()+"\n")); err != nil {
		t.Fatal(err)
	}
	if recipientOnly, err = NewKeys([]string{id.Recipient().String()}, nil); err != nil {
		t.Fatal(err)
	}
	return both, recipientOnly
}

func TestRandomTreesComeBackAsTheyWere(t *testing.T) {
	both, recipient := testKeys(t)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 6))
		src, dst := t.TempDir(), t.TempDir()
		randomTree(src, r)
		keys, open := Keys{}, Keys{}
		if seed%3 == 0 {
			keys, open = recipient, both
		}
		s := openStore(t, dst, keys)
		res := create(t, s, src)
		if len(res.Problems) > 0 {
			t.Fatalf("seed %d: %+v", seed, res.Problems)
		}
		s.keys = open
		v, err := s.Verify(t.Context(), VerifyOptions{Data: 1})
		if err != nil || len(v.Problems) > 0 || v.Read != res.Blobs.Total || v.Unused != 0 {
			t.Fatalf("seed %d: %v, %+v", seed, err, v)
		}
		if diff := differences(registrySees(t, src), registrySees(t, bringBack(t, s))); len(diff) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(diff, "\n"))
		}
		// Nothing changed: no blob is written again.
		again := create(t, s, src)
		if again.Blobs.New != 0 || again.Bytes.New != 0 || again.Blobs.Total != res.Blobs.Total || again.Bytes != (Count{res.Bytes.Total, 0}) {
			t.Fatalf("seed %d: %+v after %+v", seed, again, res)
		}
	}
}

func TestOwnersAndRightsComeBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test is for root")
	}
	src := t.TempDir()
	tree := storagetest.New(src)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer"))
	err := filepath.Walk(filepath.Join(src, "docker"), func(p string, fi os.FileInfo, err error) error {
		mode := os.FileMode(0o640)
		if fi.IsDir() {
			mode = 0o750
		}
		when := fi.ModTime()
		return errors.Join(err, os.Chown(p, 1234, 567), os.Chmod(p, mode), os.Chtimes(p, when, when))
	})
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	root := bringBack(t, s)
	if diff := differences(registrySees(t, src), registrySees(t, root)); len(diff) > 0 {
		t.Fatal(strings.Join(diff, "\n"))
	}
	for _, dir := range []string{"docker/registry/v2/repositories/app/_manifests/tags", "docker/registry/v2/blobs/sha256"} {
		fi, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o750 || ownerOf(fi) != "1234:567" {
			t.Errorf("%s: %v %s", dir, fi.Mode(), ownerOf(fi))
		}
	}
}

func TestACorruptBlobIsToldAndTheRestGoesOn(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	tree := storagetest.New(src)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer one"))
	bad := storage.SHA256.Of([]byte("layer one"))
	path := filepath.Join(src, storage.BlobPath(bad), "data")
	if err := os.WriteFile(path, []byte("layer 0ne"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dst, Keys{})
	res := create(t, s, src)
	if len(res.Problems) != 1 || res.Problems[0].ID != BlobCorrupt || res.Problems[0].Digest != bad {
		t.Fatalf("%+v", res.Problems)
	}
	if res.Blobs.New != 2 || snapshots(t, s)[0].Missing != 1 {
		t.Fatalf("%+v %+v", res, snapshots(t, s)[0])
	}
	if _, err := os.Stat(filepath.Join(dst, s.blobName(bad))); !os.IsNotExist(err) {
		t.Fatalf("the corrupt blob is in the store: %v", err)
	}
	// Healed, it is in the next one; then damaged again, it never replaces the good copy.
	if err := os.WriteFile(path, []byte("layer one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if res := create(t, s, src); len(res.Problems) != 0 || res.Blobs.New != 1 {
		t.Fatalf("%+v", res)
	}
	if err := os.WriteFile(path, []byte("layer 0ne"), 0o644); err != nil {
		t.Fatal(err)
	}
	create(t, s, src)
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatal(err, v.Problems)
	}
	if err := os.WriteFile(path, []byte("layer 0ne, longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	res = create(t, s, src)
	if len(res.Problems) != 1 {
		t.Fatalf("%+v", res.Problems)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 {
		t.Fatal(err, v.Problems)
	}
}

func TestDamageOfTheSource(t *testing.T) {
	src := t.TempDir()
	tree := storagetest.New(src)
	d := tree.Image("app", "config", "layer")
	tree.Tag("app", "v1", d)
	tree.Tag("app", "bad", d)
	tree.Remove(storage.BlobPath(storage.SHA256.Of([]byte("layer"))))
	tree.File(storage.TagLinkPath("app", "bad"), "")
	gone := storage.SHA256.Of([]byte("nowhere"))
	tree.Tag("app", "dangling", gone)
	old := storage.LayerPath("other", storage.SHA256.Of([]byte("x")))
	tree.File(old+"/link", "sha256:zz")
	res := create(t, openStore(t, t.TempDir(), Keys{}), src)
	got := map[string]bool{}
	for _, p := range res.Problems {
		got[p.ID] = true
		if p.Message == "" || p.Path == "" {
			t.Errorf("%+v", p)
		}
	}
	for _, id := range []string{BlobMissing, string(storage.LinkEmpty), storage.RevisionMissing, string(storage.LinkInvalid)} {
		if !got[id] {
			t.Errorf("%s is not told: %+v", id, res.Problems)
		}
	}
	if res.Tags != 2 {
		t.Errorf("%d tags", res.Tags)
	}
}

func TestATruncatedObjectIsWrittenAgain(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	tree := storagetest.New(src)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer one"))
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	name := filepath.Join(dst, s.blobName(storage.SHA256.Of([]byte("layer one"))))
	if err := os.Truncate(name, 3); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{}); err != nil || len(v.Problems) != 1 || v.Problems[0].ID != ObjectSize {
		t.Fatal(err, v.Problems)
	}
	if res := create(t, s, src); res.Blobs.New != 1 {
		t.Fatalf("%+v", res)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) != 0 {
		t.Fatal(err, v.Problems)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	tree := storagetest.New(src)
	tree.Tag("app", "v1", tree.Image("app", "config", "layer one"))
	s := openStore(t, dst, Keys{})
	before := files(t, dst)
	res, err := s.Create(t.Context(), src, Options{DryRun: true})
	if err != nil || res.Blobs != (Count{3, 3}) || res.Snapshot != "" {
		t.Fatal(err, res)
	}
	if diff := differences(before, files(t, dst)); len(diff) > 0 {
		t.Fatal(diff)
	}
	if _, err := os.Stat(filepath.Join(src, ".regctl")); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestConfigurationComesBack(t *testing.T) {
	both, recipient := testKeys(t)
	src := t.TempDir()
	storagetest.New(src)
	when := time.Unix(1_700_000_000, 0).UTC()
	want := []ConfigFile{
		{Path: "regctl.yaml", Mode: 0o644, UID: 1, GID: 2, ModTime: when, Data: []byte("version: 1\n")},
		{Path: "certs", Mode: os.ModeDir | 0o755, ModTime: when},
		{Path: "certs/live", Mode: os.ModeSymlink | 0o777, ModTime: when, Data: []byte("archive/1")},
		{Path: "private/key", Mode: 0o600, ModTime: when, Data: []byte("a private key")},
	}
	dst := t.TempDir()
	s := openStore(t, dst, recipient)
	if _, err := s.Create(t.Context(), src, Options{Config: want}); err != nil {
		t.Fatal(err)
	}
	for name, text := range files(t, dst) {
		if strings.Contains(text, "private key") {
			t.Errorf("%s is not encrypted", name)
		}
	}
	snap := snapshots(t, s)[0]
	if _, err := s.Config(t.Context(), snap); !errors.Is(err, ErrKey) {
		t.Errorf("without an identity: %v", err)
	}
	s.keys = both
	got, err := s.Config(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d of %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Path != w.Path || g.Mode != w.Mode || g.UID != w.UID || !g.ModTime.Equal(w.ModTime) || string(g.Data) != string(w.Data) {
			t.Errorf("%+v, not %+v", g, w)
		}
	}
}
