package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
)

func FuzzListing(f *testing.F) {
	d := storage.SHA256.Of([]byte("x")).String()
	f.Add("regctl-listing 1\nrepository app 0 0 0644 0755\ntag 1.000000000 v1 " + d + "\nlayer 1.000000000 " + d + " " + d + "\nend\n")
	f.Add("regctl-listing 1\nblobs 0 0 0644 0755\nblob 3 " + d + "\nmissing " + d + "\nend\n")
	f.Add("regctl-listing 1\nrepository ../../etc 0 0 0644 0755\ntag 1.000000000 .. " + d + "\nend\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = readListing(strings.NewReader(text), listingReader{link: func(repository string, e entry) error {
			path := e.path(repository)
			if !filepath.IsLocal(path) || filepath.Clean(path) != path || !strings.HasPrefix(path, "docker/registry/v2/repositories/") {
				t.Fatalf("%q", path)
			}
			// What is read is written the same.
			again, ok := parseEntry(strings.Split(strings.TrimSuffix(string(e.append(nil)), "\n"), " "))
			if !ok || !again.when.Equal(e.when) || again.path(repository) != path || again.target != e.target {
				t.Fatalf("%+v comes back as %+v", e, again)
			}
			return nil
		}})
	})
}

func TestAConfigurationThatLeadsOut(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"a path":                {{Name: "../evil", Typeflag: tar.TypeReg}},
		"an absolute path":      {{Name: "/etc/evil", Typeflag: tar.TypeReg}},
		"a link out":            {{Name: "certs", Typeflag: tar.TypeSymlink, Linkname: "../../etc"}},
		"an absolute link":      {{Name: "certs", Typeflag: tar.TypeSymlink, Linkname: "/etc"}},
		"behind a link":         {{Name: "a/b/c", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "a/b/c/x", Typeflag: tar.TypeReg}},
		"a device":              {{Name: "x", Typeflag: tar.TypeChar}},
		"a hard link":           {{Name: "x", Typeflag: tar.TypeLink, Linkname: "y"}},
		"the directory itself":  {{Name: ".", Typeflag: tar.TypeDir}},
		"a file as a directory": {{Name: "a/..", Typeflag: tar.TypeDir}},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := readConfig(&b); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v %v", name, err, got)
		}
	}
}
