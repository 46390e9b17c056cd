// Package inventory tells a person what is in a registry's storage: its
// repositories and tags with their sizes, dates and platforms. It reads, and
// where something is damaged it says so and goes on.
package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Repository is what a repository holds. Bytes are of manifests, configs and
// layers, each counted once.
type Repository struct {
	Name      string
	Tags      int
	Manifests int
	Bytes     int64
	// Unique is what no other repository has: about what would be free without it.
	Unique int64
	Pushed time.Time // the last push of a tag; zero: there is none
}

// Tag is what a tag stands for.
type Tag struct {
	Name      string
	Digest    storage.Digest // zero where Fault says why
	Pushed    time.Time
	Kind      string    // image, index, artifact or schema1
	MediaType string    // as the manifest says
	Created   time.Time // the youngest of its images, as its builder says; zero: it does not say
	Platforms []string  // "linux/arm64/v8", sorted
	Bytes     int64     // of all that it reaches
	// Unique is what no other tag of the repository reaches.
	Unique int64
	Signed bool   // a signature of cosign or Notation is with it
	Fault  string // why it cannot be read, or not whole
}

// mostConfig is the largest config that is read. Real ones have a few kilobytes.
const mostConfig = 4 << 20

// contents reads the manifests of one repository, each once.
type contents struct {
	store     *storage.Store
	manifests map[storage.Digest]*storage.Manifest // nil: it cannot be read
	errs      map[storage.Digest]error
}

func newContents(s *storage.Store) *contents {
	return &contents{s, map[storage.Digest]*storage.Manifest{}, map[storage.Digest]error{}}
}

func (c *contents) manifest(d storage.Digest) (*storage.Manifest, error) {
	if m, seen := c.manifests[d]; seen {
		return m, c.errs[d]
	}
	m, err := c.store.Manifest(d)
	c.manifests[d] = m
	if err != nil {
		c.manifests[d], c.errs[d] = nil, err
	}
	return c.manifests[d], c.errs[d]
}

// deepest is how far indexes may nest. A cycle is impossible, but a digest is
// only compared with bytes that are there.
const deepest = 16

// reach calls visit for a manifest and all that it needs: manifests with their
// parsed form, blobs without. What cannot be read is in the error, and the rest
// is visited all the same. A manifest that an index names and that was never
// pushed is left out.
func (c *contents) reach(d storage.Digest, depth int, visit func(d storage.Digest, size int64, m *storage.Manifest)) error {
	m, err := c.manifest(d)
	if err != nil {
		if depth > 0 && errors.Is(err, storage.ErrManifestMissing) {
			return nil
		}
		return fmt.Errorf("%s: %w", d, err)
	}
	visit(d, m.Size, m)
	for b := range m.Blobs() {
		if !b.External {
			visit(b.Digest, b.Size, nil)
		}
	}
	if depth == deepest {
		return fmt.Errorf("%s: indexes nest deeper than %d", d, deepest)
	}
	var errs []error
	for _, child := range m.Manifests {
		errs = append(errs, c.reach(child.Digest, depth+1, visit))
	}
	return errors.Join(errs...)
}

// Open opens a repository. That there is none is an error that wraps
// fs.ErrNotExist; a directory that only others nest in is none.
func Open(s *storage.Store, repository string) (*storage.Repository, error) {
	r, err := s.Repository(repository, nil)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"_manifests", "_layers", "_uploads"} {
		if _, err = s.Lstat(storage.RepositoryPath(repository) + "/" + part); err == nil {
			return r, nil
		}
	}
	r.Close()
	return nil, err
}

// Tags lists the tags of a repository, by name. The error is for a repository
// that is not there, see [Open], or cannot be listed.
func Tags(ctx context.Context, s *storage.Store, repository string) ([]Tag, error) {
	r, err := Open(s, repository)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tags, err := r.Tags()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tags, func(a, b storage.Tag) int { return strings.Compare(a.Name, b.Name) })
	c := newContents(s)
	signed, err := c.signed(r, tags)
	if err != nil {
		return nil, err
	}
	out := make([]Tag, len(tags))
	reached := make([]map[storage.Digest]int64, len(tags))
	users := map[storage.Digest]int{}
	for i, t := range tags {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i], reached[i] = c.tag(t, signed)
		for d := range reached[i] {
			users[d]++
		}
	}
	for i := range out {
		for d, size := range reached[i] {
			if out[i].Bytes += size; users[d] == 1 {
				out[i].Unique += size
			}
		}
	}
	return out, nil
}

// tag describes a tag, but for its sizes, and returns what it reaches.
func (c *contents) tag(t storage.Tag, signed map[storage.Digest]bool) (Tag, map[storage.Digest]int64) {
	out, reached := Tag{Name: t.Name, Digest: t.Digest, Pushed: t.Pushed, Platforms: []string{}}, map[storage.Digest]int64{}
	if t.Digest.IsZero() {
		out.Fault = string(t.Fault)
		return out, reached
	}
	err := c.reach(t.Digest, 0, func(d storage.Digest, size int64, m *storage.Manifest) {
		reached[d] = size
		if m == nil {
			return
		}
		if d == t.Digest {
			out.Kind, out.MediaType = m.Kind.String(), m.MediaType
		}
		if m.Config != nil {
			platform, created := c.config(*m.Config)
			// Attestations come as images of the platform unknown/unknown.
			if platform != "" && platform != "unknown/unknown" && !slices.Contains(out.Platforms, platform) {
				out.Platforms = append(out.Platforms, platform)
			}
			if created.After(out.Created) {
				out.Created = created
			}
		}
	})
	slices.Sort(out.Platforms)
	if out.Signed = signed[t.Digest]; err != nil {
		out.Fault = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return out, reached
}

// config reads platform and date out of an image's config. That of something
// else has neither.
func (c *contents) config(d storage.Descriptor) (platform string, created time.Time) {
	data, err := c.store.ReadBlob(d.Digest, mostConfig)
	if err != nil {
		return "", time.Time{}
	}
	var image struct {
		OS           string    `json:"os"`
		Architecture string    `json:"architecture"`
		Variant      string    `json:"variant"`
		Created      time.Time `json:"created"`
	}
	if json.Unmarshal(data, &image) != nil || image.OS == "" {
		return "", time.Time{}
	}
	return storage.Descriptor{OS: image.OS, Architecture: image.Architecture, Variant: image.Variant}.Platform(), image.Created
}

// signatures are the kinds of artifacts that sign what they are about.
var signatures = []string{
	"application/vnd.cncf.notary.signature",
	"application/vnd.dev.cosign.artifact.sig.v1+json",
	"application/vnd.dev.cosign.simplesigning.v1+json",
	"application/vnd.dev.sigstore.bundle",
}

func signs(m *storage.Manifest) bool {
	kinds := []string{m.ArtifactType}
	if m.Config != nil {
		kinds = append(kinds, m.Config.MediaType)
	}
	return slices.ContainsFunc(kinds, func(kind string) bool {
		return slices.ContainsFunc(signatures, func(s string) bool { return strings.HasPrefix(kind, s) })
	})
}

// signed finds the manifests that have a signature: a referrer, or the tag that
// cosign makes of the digest.
func (c *contents) signed(r *storage.Repository, tags []storage.Tag) (map[storage.Digest]bool, error) {
	signed := map[storage.Digest]bool{}
	for _, t := range tags {
		if hex, ok := strings.CutSuffix(strings.Replace(t.Name, "-", ":", 1), ".sig"); ok && !t.Digest.IsZero() {
			if d, err := storage.ParseDigest(hex); err == nil {
				signed[d] = true
			}
		}
	}
	revisions, err := r.RevisionDigests()
	if err != nil {
		return nil, err
	}
	for _, d := range revisions {
		if m, err := c.manifest(d); err == nil && m.Subject != nil && signs(m) {
			signed[m.Subject.Digest] = true
		}
	}
	return signed, nil
}

// Repositories lists all repositories by name. What cannot be read of one is
// among the problems, and its numbers are of the rest.
func Repositories(ctx context.Context, s *storage.Store) ([]Repository, []storage.Problem, error) {
	names, problems, err := s.Repositories(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := make([]Repository, len(names))
	// Which repository has a blob, and no other: -1 for several.
	type owned struct {
		by   int32
		size int64
	}
	owner := map[storage.Digest]owned{}
	var mu sync.Mutex
	each(ctx, len(names), func(i int) {
		repository, has, faults := count(s, names[i])
		mu.Lock()
		defer mu.Unlock()
		out[i] = repository
		problems = append(problems, faults...)
		for d, size := range has {
			if o, there := owner[d]; there && o.by != int32(i) {
				owner[d] = owned{-1, size}
			} else {
				owner[d] = owned{int32(i), size}
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for _, o := range owner {
		if o.by >= 0 {
			out[o.by].Unique += o.size
		}
	}
	slices.SortFunc(problems, func(a, b storage.Problem) int {
		return strings.Compare(a.Repository+"\x00"+a.Path+a.Message, b.Repository+"\x00"+b.Path+b.Message)
	})
	return out, problems, nil
}

// each calls do with 0 to n-1 from several goroutines, until ctx ends.
func each(ctx context.Context, n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	wg.Wait()
}

// count reads one repository and returns the blobs that its manifests reach.
func count(s *storage.Store, name string) (out Repository, has map[storage.Digest]int64, problems []storage.Problem) {
	out, has = Repository{Name: name}, map[storage.Digest]int64{}
	problem := func(id string, d storage.Digest, err error) {
		problems = append(problems, storage.Problem{ID: id, Repository: name, Digest: d, Message: err.Error()})
	}
	r, err := s.Repository(name, func(p storage.Problem) { problems = append(problems, p) })
	if err != nil {
		problem(storage.Unreadable, storage.Digest{}, err)
		return out, has, problems
	}
	defer r.Close()
	tags, err := r.Tags()
	if err != nil {
		problem(storage.Unreadable, storage.Digest{}, err)
	}
	for _, t := range tags {
		if out.Tags++; t.Pushed.After(out.Pushed) {
			out.Pushed = t.Pushed
		}
		if t.Fault != "" {
			problems = append(problems, storage.Problem{ID: string(t.Fault), Repository: name, Path: storage.TagLinkPath(name, t.Name), Message: "tag " + t.Name + " cannot be read"})
		}
	}
	revisions, err := r.Revisions()
	if err != nil {
		problem(storage.Unreadable, storage.Digest{}, err)
	}
	c := newContents(s)
	for _, link := range revisions {
		if link.Fault == storage.LinkMissing {
			continue // it was deleted
		}
		m, err := c.manifest(link.Digest)
		if err != nil {
			problem(storage.ManifestProblem(err), link.Digest, err)
			continue
		}
		out.Manifests++
		has[link.Digest] = m.Size
		for b := range m.Blobs() {
			if !b.External {
				has[b.Digest] = b.Size
			}
		}
	}
	for _, size := range has {
		out.Bytes += size
	}
	return out, has, problems
}
