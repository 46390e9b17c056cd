package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

const (
	a64 = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	b64 = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	c64 = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

var manifests = map[string]struct {
	text, blobs, children, subject string
	kind                           storage.Kind
}{
	"schema2": {`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"x","size":1,"digest":"` + a64 +
		`"},"layers":[{"digest":"` + b64 + `","size":3}]}`, "ab", "", "", storage.KindImage},
	"OCI without mediaType": {`{"schemaVersion":2,"config":{"digest":"` + a64 + `"},"layers":[]}`, "a", "", "", storage.KindImage},
	"any media type":        {`{"mediaType":"application/x","config":{"digest":"` + a64 + `"},"layers":[{"mediaType":"text/plain","digest":"` + b64 + `"}]}`, "ab", "", "", storage.KindImage},
	"list":                  {`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"digest":"` + a64 + `","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`, "", "a", "", storage.KindIndex},
	"index":                 {`{"schemaVersion":2,"manifests":[{"digest":"` + a64 + `"},{"digest":"` + b64 + `"}],"subject":{"digest":"` + c64 + `"}}`, "", "ab", "c", storage.KindIndex},
	"empty index":           {`{"schemaVersion":2,"manifests":[]}`, "", "", "", storage.KindIndex},
	"index with a config":   {`{"manifests":[{"digest":"` + b64 + `"}],"config":{"digest":"` + a64 + `"}}`, "a", "b", "", storage.KindIndex},
	"artifact":              {`{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[{"digest":"` + a64 + `"}],"subject":{"digest":"` + b64 + `"}}`, "a", "", "b", storage.KindArtifact},
	"artifact, nothing":     {`{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}`, "", "", "", storage.KindArtifact},
	"signature":             {`{"schemaVersion":2,"config":{"digest":"` + a64 + `"},"layers":[{"digest":"` + a64 + `"}],"subject":{"digest":"` + b64 + `"}}`, "aa", "", "b", storage.KindImage},
	"schema1":               {`{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"` + a64 + `"},{"blobSum":"` + a64 + `"}],"signatures":[{}]}`, "aa", "", "", storage.KindSchema1},
	"other case":            {`{"Config":{"Digest":"` + a64 + `"},"LAYERS":[{"DIGEST":"` + b64 + `"}]}`, "ab", "", "", storage.KindImage},
	"null config":           {`{"config":null,"layers":[{"digest":"` + b64 + `"}]}`, "b", "", "", storage.KindImage},
	"sha512":                {`{"layers":[{"digest":"sha512:` + strings.Repeat("d", 128) + `"}]}`, "d", "", "", storage.KindImage},
}

func TestParseManifest(t *testing.T) {
	short := func(d storage.Digest) string { return d.Hex()[:1] }
	for name, tt := range manifests {
		m, err := storage.ParseManifest([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var blobs, children, subject string
		for d := range m.Blobs() {
			blobs += short(d.Digest)
		}
		for _, d := range m.Manifests {
			children += short(d.Digest)
		}
		if m.Subject != nil {
			subject = short(m.Subject.Digest)
		}
		if m.Kind != tt.kind || blobs != tt.blobs || children != tt.children || subject != tt.subject || m.Size != int64(len(tt.text)) {
			t.Errorf("%s: %s, blobs %q, manifests %q, subject %q, %d bytes", name, m.Kind, blobs, children, subject, m.Size)
		}
		if name == "list" && m.Manifests[0].Platform() != "linux/arm64/v8" {
			t.Errorf("platform %q", m.Manifests[0].Platform())
		}
	}
}

// Whatever is not understood whole is an error: its caller keeps everything then.
func TestParseManifestRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `"x"`, `{"schemaVersion":2}`, `{"schemaVersion":2,"mediaType":"application/x"}`,
		`{"config":{"digest":"` + a64 + `"},"layers":[{"digest":"sha256:short"}]}`,
		`{"config":{},"layers":[]}`, `{"layers":[{}]}`, `{"layers":[null]}`, `{"layers":{}}`, `{"layers":["` + a64 + `"]}`,
		`{"layers":[{"digest":"md5:` + strings.Repeat("a", 32) + `"}]}`, `{"layers":[{"digest":"SHA256:` + strings.Repeat("a", 64) + `"}]}`,
		`{"layers":[{"digest":"sha256:` + strings.Repeat("A", 64) + `"}]}`,
		`{"manifests":[{"digest":"../../x"}]}`, `{"manifests":[],"subject":{"digest":""}}`, `{"fsLayers":[{"blobSum":"x"}]}`,
		`{"layers":[]} x`, `{"layers":[{"digest":"` + a64 + `"}]`,
		`{"layers":[],"x":"` + strings.Repeat("x", storage.ManifestMost) + `"}`,
		strings.Repeat(`{"layers":`, 20_000),
	} {
		if m, err := storage.ParseManifest([]byte(text)); err == nil {
			t.Errorf("%.60s: %+v", text, m)
		}
	}
}

func TestExternalLayers(t *testing.T) {
	m, err := storage.ParseManifest([]byte(`{"layers":[{"digest":"` + a64 + `","urls":["https://example.com/x"]},{"digest":"` + b64 + `","urls":[]},{"digest":"` + b64 + `","urls":null}]}`))
	if err != nil || !m.Layers[0].External || m.Layers[1].External || m.Layers[2].External {
		t.Errorf("%+v (%v)", m, err)
	}
}

func TestManifestOfStore(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	good := tree.Image("r", "config", "layer")
	large := tree.Manifest("r", `{"layers":[],"annotations":{"x":"`+strings.Repeat("x", 100_000)+`"}}`)
	huge := tree.Manifest("r", `{"layers":[],"annotations":{"x":"`+strings.Repeat("x", storage.ManifestMost)+`"}}`)
	corrupt := tree.Image("r", "other")
	tree.File(storage.BlobPath(corrupt)+"/data", `{"layers":[]}`)
	missing := tree.Image("r", "gone")
	tree.Remove(storage.BlobPath(missing))
	not := tree.Manifest("r", "text")
	s := open(t, tree)
	if m, err := s.Manifest(good); err != nil || m.Config.Digest != storage.SHA256.Of([]byte("config")) {
		t.Errorf("%+v (%v)", m, err)
	}
	if m, err := s.Manifest(large); err != nil || m.Kind != storage.KindImage {
		t.Errorf("%+v (%v)", m, err)
	}
	for _, tt := range []struct {
		digest storage.Digest
		want   error
		id     string
	}{
		{corrupt, storage.ErrManifestCorrupt, storage.ManifestCorrupt},
		{missing, storage.ErrManifestMissing, storage.ManifestMissing},
		{huge, storage.ErrTooLarge, storage.ManifestUnreadable},
		{not, storage.ErrManifestUnknown, storage.ManifestUnreadable},
	} {
		if _, err := s.Manifest(tt.digest); !errors.Is(err, tt.want) || storage.ManifestProblem(err) != tt.id {
			t.Errorf("error %v (%s), want %v (%s)", err, storage.ManifestProblem(err), tt.want, tt.id)
		}
	}
}

// A symbolic link anywhere in the tree is not followed, in either way of opening.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	outside := storagetest.New(t.TempDir())
	d := outside.Image("r", "config")
	outside.Tag("r", "latest", d)
	for _, at := range []string{
		"docker/registry/v2/blobs", "docker/registry/v2/blobs/sha256", "docker/registry/v2/blobs/sha256/" + d.Hex()[:2],
		storage.BlobPath(d), storage.BlobPath(d) + "/data",
	} {
		tree := storagetest.New(t.TempDir())
		tree.Image("r", "config")
		replace(t, outside, tree, at)
		s := open(t, tree)
		if m, err := s.Manifest(d); err == nil {
			t.Errorf("read %+v through the symbolic link %s", m, at)
		}
		if f, _, err := s.OpenBlob(d); err == nil {
			f.Close()
			t.Errorf("opened a blob through the symbolic link %s", at)
		}
	}
	for _, at := range []string{
		"docker/registry/v2/repositories/r/_manifests", "docker/registry/v2/repositories/r/_manifests/tags",
		storage.TagPath("r", "latest"), storage.TagPath("r", "latest") + "/current", storage.TagLinkPath("r", "latest"),
	} {
		tree := storagetest.New(t.TempDir())
		tree.Tag("r", "latest", tree.Image("r", "config"))
		replace(t, outside, tree, at)
		r, _ := repository(t, open(t, tree), "r")
		if tag, err := r.Tag("latest"); err == nil && tag.Fault == "" {
			t.Errorf("read %+v through the symbolic link %s", tag, at)
		}
		tags, err := r.Tags()
		for _, tag := range tags {
			if tag.Fault == "" {
				t.Errorf("read %+v (%v) through the symbolic link %s", tag, err, at)
			}
		}
	}
}

// replace puts a symbolic link to outside's file in the place of tree's.
func replace(t *testing.T, outside, tree *storagetest.Tree, at string) {
	t.Helper()
	tree.Remove(at)
	if err := os.Symlink(outside.Path(at), tree.Path(at)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tree.Path(at)); err != nil {
		t.Fatal("the link leads nowhere")
	}
}

func TestMove(t *testing.T) {
	tree := storagetest.New(t.TempDir())
	tree.File("a/x/data", "1")
	tree.File("a/y/data", "2")
	tree.File("b/z", "3")
	if err := os.Mkdir(tree.Path("b/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, tree)
	if err := s.Move("a/x", "b/x"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(tree.Path("b/x/data")); err != nil || string(data) != "1" {
		t.Errorf("%q (%v)", data, err)
	}
	for _, to := range []string{"b/x", "b/z", "b/empty"} {
		if err := s.Move("a/y", to); !errors.Is(err, os.ErrExist) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	if err := s.Move("a/none", "b/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	out := t.TempDir()
	if err := os.Symlink(out, tree.Path("out")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"out/y", "../y", "a/../../y"} {
		if err := s.Move("a/y", to); err == nil {
			t.Errorf("moved to %s", to)
		}
	}
	if left, _ := os.ReadDir(out); len(left) != 0 {
		t.Error("something came out of the root")
	}
	if err := s.Move("a/y", filepath.ToSlash("y")); err != nil {
		t.Error(err)
	}
}

func FuzzParseManifest(f *testing.F) {
	for _, tt := range manifests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := storage.ParseManifest(data)
		if err != nil {
			return
		}
		if m.Kind.String() == "" {
			t.Errorf("no kind: %+v", m)
		}
		for d := range m.Blobs() {
			if back, err := storage.ParseDigest(d.Digest.String()); err != nil || back != d.Digest {
				t.Errorf("a blob's digest is %q", d.Digest)
			}
		}
		for _, d := range m.Manifests {
			if d.Digest.IsZero() {
				t.Error("a child without a digest")
			}
		}
	})
}

func FuzzParseLink(f *testing.F) {
	for _, s := range []string{"", a64, a64 + "\n", a64 + "\r\n", " " + a64, a64 + a64, "sha512:" + strings.Repeat("0", 128), "sha256:", "md5:0", strings.ToUpper(a64)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, fault := storage.ParseLink(data)
		// Without a fault it is what the registry reads: the bare digest.
		if (fault == "") != (d.String() == string(data) && !d.IsZero()) {
			t.Errorf("%q: %s, %q", data, d, fault)
		}
		if fault == storage.LinkNewline && strings.TrimRight(string(data), "\r\n") != d.String() {
			t.Errorf("%q: %s, %q", data, d, fault)
		}
	})
}
