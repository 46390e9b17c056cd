package backup

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// Single blobs come out of a store and of an archive as they went in, and what is
// not there is fs.ErrNotExist.
func TestSingleBlobs(t *testing.T) {
	both, _ := testKeys(t)
	other, _ := testKeys(t)
	for name, keys := range map[string]Keys{"plain": {}, "encrypted": both} {
		tree := storagetest.New(t.TempDir())
		big := strings.Repeat("a layer of many bytes\n", 40_000)
		tree.Tag("app", "v1", tree.Image("app", "config", "one", "two", big))
		s := openStore(t, t.TempDir(), keys)
		create(t, s, tree.Dir)
		file := filepath.Join(t.TempDir(), "a.tar.zst")
		if _, err := s.Export(t.Context(), snapshots(t, s)[0], file, nil); err != nil {
			t.Fatal(err)
		}
		arc, err := OpenArchive(t.Context(), file, keys)
		if err != nil {
			t.Fatal(err)
		}
		spools := t.TempDir()
		p, err := arc.NewPicker(t.Context(), spools)
		if err != nil {
			t.Fatal(err)
		}
		nobody := storage.SHA256.Of([]byte("nobody has this"))
		p.Want(storage.SHA256.Of([]byte("one")))
		p.Want(storage.SHA256.Of([]byte(big)))
		p.Want(nobody)
		// The last was not announced.
		for _, want := range []string{big, "one", "config", "one"} {
			d := storage.SHA256.Of([]byte(want))
			for from, open := range map[string]func() (io.ReadCloser, error){
				"store":   func() (io.ReadCloser, error) { return s.Blob(t.Context(), d) },
				"archive": func() (io.ReadCloser, error) { return p.Blob(t.Context(), d) },
			} {
				r, err := open()
				if err != nil {
					t.Fatalf("%s %s: %v", name, from, err)
				}
				got, err := io.ReadAll(r)
				if err != nil || string(got) != want || r.Close() != nil {
					t.Errorf("%s %s: %d bytes, want %d, %v", name, from, len(got), len(want), err)
				}
			}
		}
		if _, err := s.Blob(t.Context(), nobody); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s store: %v", name, err)
		}
		if _, err := p.Blob(t.Context(), nobody); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s archive: %v", name, err)
		}
		if left, err := os.ReadDir(spools); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := s.CheckKeys(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "plain" {
			continue
		}
		for what, wrong := range map[string]Keys{"none": {}, "another": other} {
			s.keys, arc.keys = wrong, wrong
			if err := s.CheckKeys(t.Context()); !errors.Is(err, ErrKey) {
				t.Errorf("%s: %v", what, err)
			}
			if err := arc.CheckKeys(t.Context()); !errors.Is(err, ErrKey) {
				t.Errorf("%s, archive: %v", what, err)
			}
		}
	}
}

// Of an archive that is cut off there is what came before.
func TestPickingFromACutArchive(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	layers := make([]string, 4)
	for i := range layers {
		noise := make([]byte, 300<<10)
		rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
		layers[i] = string(noise)
	}
	tree.Tag("app", "v1", tree.Image("app", "config", layers...))
	s := openStore(t, t.TempDir(), Keys{})
	create(t, s, tree.Dir)
	file := filepath.Join(t.TempDir(), "a.tar.zst")
	size, err := s.Export(t.Context(), snapshots(t, s)[0], file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size*6/10); err != nil {
		t.Fatal(err)
	}
	arc, err := OpenArchive(t.Context(), file, Keys{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := arc.NewPicker(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	whole, lost := 0, 0
	for _, l := range layers {
		p.Want(storage.SHA256.Of([]byte(l)))
	}
	for _, l := range layers {
		r, err := p.Blob(t.Context(), storage.SHA256.Of([]byte(l)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		switch {
		case err == nil && string(got) == l:
			whole++
		case err != nil && len(got) == 0:
			lost++
		default:
			t.Errorf("%d bytes of %d and %v", len(got), len(l), err)
		}
	}
	if whole == 0 || lost == 0 {
		t.Errorf("%d whole, %d lost", whole, lost)
	}
}
