package drill

import (
	"io"
	"iter"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/regctl/regctl/pkg/storage"
)

// served is a registry that a test can have answer otherwise.
type served struct {
	*httptest.Server
	// instead answers a request, or returns false.
	instead func(w http.ResponseWriter, r *http.Request) bool
	repos   []Repository
}

func serve(t *testing.T) *served {
	t.Helper()
	s := &served{}
	good := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.instead == nil || !s.instead(w, r) {
			good.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *served) client() *Client {
	return &Client{URL: s.URL, HTTP: s.Client(), Gone: func() error { return nil }}
}

func (s *served) ref(t *testing.T, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/" + text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// list adds a manifest to what is to be pulled.
func (s *served) list(repo, tag string, h v1.Hash) storage.Digest {
	d, err := storage.ParseDigest(h.String())
	if err != nil {
		panic(err)
	}
	i := slices.IndexFunc(s.repos, func(r Repository) bool { return r.Name == repo })
	if i < 0 {
		i = len(s.repos)
		s.repos = append(s.repos, Repository{Name: repo})
	}
	r := &s.repos[i]
	if tag != "" {
		r.Tags = append(r.Tags, Tag{tag, d})
	}
	if !slices.Contains(r.Manifests, d) {
		r.Manifests = append(r.Manifests, d)
	}
	return d
}

func (s *served) push(t *testing.T, repo, tag string, image v1.Image) storage.Digest {
	t.Helper()
	if err := remote.Write(s.ref(t, repo+":"+tag), image); err != nil {
		t.Fatal(err)
	}
	h, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return s.list(repo, tag, h)
}

func (s *served) pushIndex(t *testing.T, repo, tag string, index v1.ImageIndex) (all []storage.Digest) {
	t.Helper()
	if err := remote.WriteIndex(s.ref(t, repo+":"+tag), index); err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range m.Manifests {
		all = append(all, s.list(repo, "", child.Digest))
	}
	h, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return append(all, s.list(repo, tag, h))
}

func (s *served) all() iter.Seq2[Repository, error] {
	return func(yield func(Repository, error) bool) {
		for _, r := range s.repos {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *served) pull(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Pull(t.Context(), s.client(), s.all(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Result) failed() string {
	var out []string
	for _, u := range r.Unpullable {
		out = append(out, u.String())
	}
	return strings.Join(out, "\n")
}

func image(t *testing.T, layers int64) v1.Image {
	t.Helper()
	m, err := random.Image(3000, layers)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func layers(t *testing.T, m v1.Image) (digests []string) {
	t.Helper()
	all, err := m.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		h, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, h.String())
	}
	return digests
}

// stock is two repositories with a tag of one image each, and an index.
type stock struct {
	*served
	app    v1.Image
	digest storage.Digest
	index  []storage.Digest // the children, then itself
	layer  string           // of both repositories
}

func stocked(t *testing.T) *stock {
	t.Helper()
	s := &stock{served: serve(t), app: image(t, 2)}
	s.digest = s.push(t, "team/app", "v1", s.app)
	s.push(t, "team/app", "v2", image(t, 1))
	s.push(t, "team/copy", "same", s.app)
	index, err := random.Index(2000, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.index = s.pushIndex(t, "team/multi", "all", index)
	s.layer = layers(t, s.app)[0]
	return s
}
