package drill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
)

func read(text string) (out []Repository, err error) {
	for r, err := range Repositories(strings.NewReader(text)) {
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func TestList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	l, err := CreateList(path)
	if err != nil {
		t.Fatal(err)
	}
	x, y := storage.SHA256.Of([]byte("x")), storage.SHA512.Of([]byte("y"))
	want := []Repository{
		{"a", []Tag{{"v1", x}, {"latest", y}}, []storage.Digest{x}},
		{"a/b", nil, []storage.Digest{y}},
	}
	for _, r := range want {
		for _, tag := range r.Tags {
			err = errors.Join(err, l.Add(r.Name, tag.Name, tag.Digest))
		}
		for _, d := range r.Manifests {
			err = errors.Join(err, l.Add(r.Name, "", d))
		}
	}
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(string(text)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := CreateList(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	// Cut off anywhere it is none.
	for i := range len(text) - 1 {
		if _, err := read(string(text[:i])); !errors.Is(err, ErrList) {
			t.Fatalf("cut off at %d: %v", i, err)
		}
	}
	for _, bad := range []string{"tag v1 " + x.String() + "\nend\n", "repository ../x\nend\n", "repository a\ntag .. " + x.String() + "\nend\n",
		"repository a\nmanifest sha256:1\nend\n", "blob\nend\n", fmt.Sprintf("repository a\nmanifest %s %s\nend\n", x, x)} {
		if _, err := read(bad); !errors.Is(err, ErrList) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got, err := read("end\n"); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
}
