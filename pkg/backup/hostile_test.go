package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"

	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/regctl/regctl/pkg/storage"
)

// rawEntry is a tar entry whose header says one size and that has another.
func rawEntry(t testing.TB, name string, says int64, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: says, Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), data...)
}

// upTo is a good archive up to its first blob.
func upTo(t testing.TB, good []byte) []byte {
	t.Helper()
	at := bytes.Index(good, []byte(dataDir+"sha256/"))
	if at < 0 {
		t.Fatal("there is no blob in it")
	}
	return good[:at-at%512]
}

// Sizes that lie cost neither memory nor disk, and nothing is brought back.
func TestArchivesWhoseSizesLie(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	good := exportBytes(t, src)
	parts := upTo(t, good)
	layer := dataDir + "sha256/" + storage.SHA256.Of([]byte("layer one")).Hex()[:2] + "/" + storage.SHA256.Of([]byte("layer one")).Hex()
	id := string(good[bytes.Index(good, []byte(snapshotsDir))+len(snapshotsDir):][:25])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, plain := range map[string][]byte{
		"a head without end":           rawEntry(t, headName, 1<<40, []byte("{")),
		"a part without end":           append(rawEntry(t, snapshotsDir+id+"/x.gz", 1<<40, nil), make([]byte, 4096)...),
		"a blob without end":           append(bytes.Clone(parts), rawEntry(t, layer, 1<<40, []byte("layer one"))...),
		"a blob that is longer":        append(append(bytes.Clone(parts), rawEntry(t, layer, 9, []byte("layer one"))...), make([]byte, 1024-9)...),
		"a blob that is shorter":       append(append(bytes.Clone(parts), rawEntry(t, layer, 3, []byte("lay"))...), make([]byte, 512+1024-3)...),
		"a part that is larger than 1": rawEntry(t, snapshotsDir+id+"/y.gz", partsMost+1, []byte("x")),
	} {
		if err := tryArchive(t, plain); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	runtime.ReadMemStats(&after)
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 512<<20 {
		t.Errorf("%d MiB were allocated for sizes that lie", grew>>20)
	}
}

// A little file that unpacks to much more than a snapshot's parts may have, and one that asks for a
// gigabyte to be unpacked at all.
func TestArchivesThatUnpackWithoutEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bomb.tar.zst")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	// Each part is small enough, all of them together are not.
	const most = 4 << 20
	zeros := make([]byte, 1<<20)
	for i := range 5 {
		if _, err := z.Write(rawEntry(t, snapshotsDir+"20260101T000000Z-0000000"+string(rune('0'+i))+"/x.gz", int64(len(zeros)), zeros)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := openArchive(t.Context(), file, Keys{}, most); !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("more than the parts of a snapshot can be: %v", err)
	}
	// A frame header with a window of 2 GiB (RFC 8878, 3.1.1.1.2).
	if err := os.WriteFile(file, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00}, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenArchive(t.Context(), file, Keys{}); err == nil {
		t.Error("a window of gigabytes is taken")
	}
}

// What lies under the name of an export's temporary file is not written through.
func TestAnExportFollowsNoLink(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, src)
	dir := t.TempDir()
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(dir, ".regctl-tmp-a.tar.zst")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Export(t.Context(), snapshots(t, s)[0], filepath.Join(dir, "a.tar.zst"), nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(precious); err != nil || string(data) != "precious" {
		t.Errorf("%q %v", data, err)
	}
}

// A store is not led out of its directory by a link, also to what would match.
func TestLinksInAStoreLeadNowhere(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	outside := filepath.Join(t.TempDir(), "same")
	if err := os.WriteFile(outside, []byte("layer one"), 0o600); err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(dst, s.blobName(storage.SHA256.Of([]byte("layer one"))))
	remove(t, object)
	if err := os.Symlink(outside, object); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) != 1 {
		t.Errorf("%v %+v", err, v)
	}
	if _, err := s.Stage(t.Context(), snapshots(t, s)[0], filepath.Join(t.TempDir(), "r"), RestoreOptions{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("%v", err)
	}
	// Where it writes, too.
	elsewhere := t.TempDir()
	if err := os.RemoveAll(filepath.Join(dst, tempDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dst, tempDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := openAgain(t, dst).Create(t.Context(), src, Options{}); err == nil {
		t.Error("it wrote through a link")
	}
	if left := files(t, elsewhere); len(left) > 0 {
		t.Errorf("%v", left)
	}
}

func openAgain(t *testing.T, dir string) *Store {
	t.Helper()
	target, err := OpenDir(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	s, err := Open(t.Context(), target, Keys{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A disk that is pulled out is not a damaged backup.
func TestATargetThatIsGoneInTheMiddle(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "store")
	smallTree(src)
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	snap := snapshots(t, s)[0]
	away := filepath.Join(t.TempDir(), "away")
	_, err := s.Stage(t.Context(), snap, filepath.Join(t.TempDir(), "r"), RestoreOptions{Damaged: true, Workers: 1, step: func(what string) error {
		if what == "blob" {
			return os.RemoveAll(dst) // as when it is unmounted by force
		}
		return nil
	}})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("restore: %v", err)
	}
	// A backup ends with an error, and the next one to a place that is there is whole.
	s = openStore(t, dst, Keys{})
	create(t, s, src)
	more := t.TempDir()
	smallTree(more)
	tree := filepath.Join(more, "docker")
	moved := false
	_, err = s.Create(t.Context(), more, Options{Workers: 1, step: func(what string) error {
		if what == summaryName && !moved {
			moved = true
			return os.Rename(dst, away)
		}
		return nil
	}})
	// The directory is open: what is mounted no more under its name still takes all.
	if err != nil {
		t.Errorf("a directory that is unmounted lazily: %v", err)
	}
	if v, err := openAgain(t, away).Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 2 {
		t.Errorf("%v %+v", err, v)
	}
	if _, err := os.Stat(tree); err != nil {
		t.Error(err)
	}
}

// Locks tell by the store's clock, whatever their holders' clocks say.
func TestLocksOfHostsWhoseClocksDisagree(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	s := openStore(t, dst, Keys{})
	create(t, s, src)
	for started, text := range map[string]string{"long ago": "1999-01-01T00:00:00Z", "to come": "2199-01-01T00:00:00Z"} {
		lock := filepath.Join(dst, "locks/exclusive-OTHER.json")
		if err := os.WriteFile(lock, []byte(`{"command":"regctl backup prune","host":"other","pid":7,"started":"`+text+`","space":"another boot pid:[1]"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		var busy *BusyError
		if _, err := s.Create(t.Context(), src, Options{}); !errors.As(err, &busy) || busy.Holder.Host != "other" {
			t.Errorf("%s, and just renewed: %v", started, err)
		}
		old := time.Now().Add(-lockStale - time.Minute)
		if err := os.Chtimes(lock, old, old); err != nil {
			t.Fatal(err)
		}
		create(t, s, src)
	}
}

// The lock of a container of this host that is gone counts no more; that of one
// that runs does, as do all of other hosts.
func TestLocksOfContainers(t *testing.T) {
	boot, _, _ := strings.Cut(pidSpace(), " ")
	_, own, _ := strings.Cut(pidSpace(), " ")
	if own != firstNamespace {
		t.Logf("not outside of containers, where nothing can be told: %s", own)
	}
	for space, want := range map[string]bool{
		boot + " pid:[1]":      own == firstNamespace,
		"another-boot pid:[1]": false,
		boot + " " + own:       false, // pid 1 runs
		"":                     false,
		"another-boot " + own:  false,
		boot:                   false,
	} {
		if got := gone(space, 1); got != want {
			t.Errorf("%q: %v", space, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, h := range []tar.Header{{Name: "regctl.yaml", Typeflag: tar.TypeReg, Size: 3}, {Name: "../evil", Typeflag: tar.TypeReg, Size: 3},
		{Name: "certs", Typeflag: tar.TypeSymlink, Linkname: "../../etc"}, {Name: "certs/live/a", Typeflag: tar.TypeSymlink, Linkname: "../archive/1"}} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("a b")); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := readConfig(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range all {
			if !filepath.IsLocal(c.Path) || filepath.Clean(c.Path) != c.Path {
				t.Fatalf("%q", c.Path)
			}
			if c.Mode&os.ModeSymlink != 0 && (filepath.IsAbs(string(c.Data)) || !filepath.IsLocal(filepath.Join(filepath.Dir(c.Path), string(c.Data)))) {
				t.Fatalf("%q leads to %q", c.Path, c.Data)
			}
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add(strings.Repeat("0", 64) + "  snapshot.json\n")
	f.Add(strings.Repeat("0", 64) + "  ../../etc/passwd\n" + strings.Repeat("0", 64) + "  snapshot.json\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseSums([]byte(text))
		if err != nil {
			return
		}
		for name := range m {
			if strings.ContainsAny(name, "/\x00") || !filepath.IsLocal(name) {
				t.Fatalf("%q", name)
			}
		}
		if again, err := parseSums(m.text()); err != nil || len(again) != len(m) {
			t.Fatalf("%v: %q", err, m.text())
		}
	})
}

// meanwhile is a target in which another host does something just before a list.
type meanwhile struct {
	Target
	do func()
}

func (m *meanwhile) List(ctx context.Context, prefix string, f func(Object) error) error {
	m.do()
	return m.Target.List(ctx, prefix, f)
}

// Two hosts that make the first backup in one place at once.
func TestAnotherBeginsTheStoreMeanwhile(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	smallTree(src)
	target, err := OpenDir(dst, true)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	others := false
	s, err := Create(t.Context(), &meanwhile{target, func() {
		if !others {
			others = true
			create(t, openStore(t, dst, Keys{}), src)
		}
	}}, Keys{})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, src)
	if n := len(snapshots(t, s)); n != 2 {
		t.Errorf("%d snapshots", n)
	}
}
