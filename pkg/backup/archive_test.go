package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/regctl/regctl/pkg/storage"
)

func TestAnExportComesBack(t *testing.T) {
	both, recipient := testKeys(t)
	for name, keys := range map[string]Keys{"plain": {}, "encrypted": recipient} {
		src := t.TempDir()
		smallTree(src)
		s := openStore(t, t.TempDir(), keys)
		create(t, s, src)
		file := filepath.Join(t.TempDir(), "a.tar.zst")
		size, err := s.Export(t.Context(), snapshots(t, s)[0], file, nil)
		if err != nil || size == 0 {
			t.Fatal(name, err)
		}
		if _, err := s.Export(t.Context(), snapshots(t, s)[0], file, nil); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: over an existing file: %v", name, err)
		}
		open := Keys{}
		if name == "encrypted" {
			if a, err := OpenArchive(t.Context(), file, Keys{}); err != nil {
				t.Errorf("its summary needs no key: %v", err)
			} else if _, err := a.Stage(t.Context(), t.TempDir(), RestoreOptions{}); !errors.Is(err, ErrKey) {
				t.Errorf("without a key: %v", err)
			}
			open = both
		}
		a, err := OpenArchive(t.Context(), file, open)
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(t.TempDir(), "new")
		if _, err := a.Stage(t.Context(), root, RestoreOptions{}); err != nil {
			t.Fatal(name, err)
		}
		if _, err := Swap(t.Context(), root, "test"); err != nil {
			t.Fatal(err)
		}
		if diff := differences(registrySees(t, src), registrySees(t, root)); len(diff) > 0 {
			t.Fatalf("%s:\n%s", name, strings.Join(diff, "\n"))
		}
		// Unpacked it is a store.
		dir := t.TempDir()
		if out, err := exec.Command("tar", "-C", dir, "--zstd", "-xf", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		unpacked := openStore(t, dir, keys)
		unpacked.keys = open
		if v, err := unpacked.Verify(t.Context(), VerifyOptions{Data: 1}); err != nil || len(v.Problems) > 0 || v.Snapshots != 1 {
			t.Fatal(name, err, v)
		}
	}
}

// exportBytes are a good archive, unpacked from zstd.
func exportBytes(t testing.TB, src string) []byte {
	dst := t.(interface{ TempDir() string }).TempDir()
	target, err := OpenDir(dst, true)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	s, err := Create(t.Context(), target, Keys{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), src, Options{}); err != nil {
		t.Fatal(err)
	}
	all, _, err := s.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.tar.zst")
	if _, err := s.Export(t.Context(), all[0], file, nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pack is zstd without its checksum of the content.
func pack(t testing.TB, plain []byte) string {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "b.tar.zst")
	if err := os.WriteFile(file, z.EncodeAll(plain, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func tryArchive(t testing.TB, plain []byte) error {
	parent := t.TempDir()
	root := filepath.Join(parent, "in", "root")
	a, err := OpenArchive(t.Context(), pack(t, plain), Keys{})
	if err == nil {
		if _, err = a.Stage(t.Context(), root, RestoreOptions{}); err == nil {
			_, err = Swap(t.Context(), root, "test")
		}
	}
	entries, readErr := os.ReadDir(parent)
	if readErr != nil || len(entries) > 1 {
		t.Fatalf("it wrote outside: %v %v", entries, readErr)
	}
	return err
}

func TestHostileArchives(t *testing.T) {
	src := t.TempDir()
	smallTree(src)
	good := exportBytes(t, src)
	if err := tryArchive(t, good); err != nil {
		t.Fatal(err)
	}
	layer := dataDir + "sha256/" + storage.SHA256.Of([]byte("layer one")).Hex()[:2] + "/" + storage.SHA256.Of([]byte("layer one")).Hex()
	for name, change := range map[string]func(h *tar.Header, data []byte) []byte{
		"a path that leads out": func(h *tar.Header, d []byte) []byte {
			if h.Name == layer {
				h.Name = "../../evil"
			}
			return d
		},
		"an absolute path": func(h *tar.Header, d []byte) []byte {
			if h.Name == layer {
				h.Name = "/tmp/evil"
			}
			return d
		},
		"a snapshot's path": func(h *tar.Header, d []byte) []byte {
			if strings.HasSuffix(h.Name, listingName) {
				h.Name = "snapshots/../x"
			}
			return d
		},
		"a symbolic link": func(h *tar.Header, d []byte) []byte {
			if h.Name == layer {
				h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0
				return nil
			}
			return d
		},
		"a hard link": func(h *tar.Header, d []byte) []byte {
			if h.Name == layer {
				h.Typeflag, h.Linkname, h.Size = tar.TypeLink, headName, 0
				return nil
			}
			return d
		},
		"other bytes": func(h *tar.Header, d []byte) []byte {
			if h.Name == layer {
				return []byte("layer 0ne")
			}
			return d
		},
		"another listing": func(h *tar.Header, d []byte) []byte {
			if strings.HasSuffix(h.Name, listingName) {
				d[30] ^= 1
			}
			return d
		},
		"another summary": func(h *tar.Header, d []byte) []byte {
			if strings.HasSuffix(h.Name, summaryName) {
				d[30] ^= 1
			}
			return d
		},
		"no sums": func(h *tar.Header, d []byte) []byte {
			if strings.HasSuffix(h.Name, sumsName) {
				h.Name = strings.Replace(h.Name, sumsName, "OTHER", 1)
			}
			return d
		},
		"another format": func(h *tar.Header, d []byte) []byte {
			if h.Name == headName {
				d = bytes.Replace(d, []byte(`"format": 1`), []byte(`"format": 2`), 1)
			}
			return d
		},
	} {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for r := tar.NewReader(bytes.NewReader(good)); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			data = change(h, data)
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(name, err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(name, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := tryArchive(t, out.Bytes()); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for n := 0; n < len(good)-1024; n += 512 {
		if err := tryArchive(t, good[:n]); err == nil {
			t.Errorf("cut off at %d of %d it is taken", n, len(good))
		}
	}
}

func FuzzArchive(f *testing.F) {
	src := f.TempDir()
	smallTree(src)
	good := exportBytes(f, src)
	f.Add(good)
	f.Add(good[:1000])
	f.Add(bytes.Replace(good, []byte("data/sha256/"), []byte("../../../../"), 1))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) < 1<<20 {
			_ = tryArchive(t, plain)
		}
	})
}
