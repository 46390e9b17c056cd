package drill

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// Options are for [Pull].
type Options struct {
	// Sparse takes an index without some of its manifests for one that was pushed so
	// on purpose, where the list does not have them.
	Sparse bool
	// Workers is how many requests are under way at once; 0 is a few.
	Workers  int
	Progress func(Progress)
}

// Progress is how far it has come.
type Progress struct{ Tags, Blobs, Bytes int64 }

// Result is what was pulled.
type Result struct {
	Repositories int   `json:"repositories" doc:"how many were pulled from"`
	Tags         int   `json:"tags" doc:"how many were resolved and came whole"`
	Manifests    int   `json:"manifests" doc:"how many came, tagged or not, those of indexes too, each counted in each repository"`
	Blobs        int   `json:"blobs" doc:"how many came, each read once and compared with its digest"`
	Bytes        int64 `json:"bytes" doc:"of manifests and blobs that came"`
	// Failed counts all, Unpullable lists the first.
	Failed     int          `json:"failed" doc:"tags, and manifests without one, that did not come whole"`
	Unpullable []Unpullable `json:"unpullable" doc:"the first 1000 of these"`
}

// mostUnpullable bounds the list: it has to fit into a line of JSON.
const mostUnpullable = 1000

// Pull pulls all that is listed, repository by repository. Manifests come from each
// repository that has them; a blob that several have is read once, and the others
// are asked whether they have it. What is damaged is in the result; an error ends
// the drill.
func Pull(ctx context.Context, c *Client, repositories iter.Seq2[Repository, error], opts Options) (*Result, error) {
	if opts.Workers == 0 {
		opts.Workers = 8
	}
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	p := &puller{c: c, opts: opts, blobs: map[storage.Digest]bool{}, out: &Result{Unpullable: []Unpullable{}}}
	for repo, err := range repositories {
		if err == nil {
			err = p.repository(ctx, repo)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.out.Unpullable, func(a, b Unpullable) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Tag, b.Tag), a.Digest.Compare(b.Digest))
	})
	p.out.Bytes = p.bytes
	opts.Progress(p.progress())
	return p.out, nil
}

type puller struct {
	c    *Client
	opts Options
	out  *Result

	mu    sync.Mutex
	bytes int64
	// blobs are those that were read and are whole.
	blobs map[storage.Digest]bool
	told  time.Time // last
}

// between is how often progress is told.
const between = 200 * time.Millisecond

// tell is called under the lock.
func (p *puller) tell() {
	if now := time.Now(); now.Sub(p.told) >= between {
		p.told = now
		p.opts.Progress(p.progress())
	}
}

func (p *puller) progress() Progress {
	return Progress{int64(p.out.Tags), int64(p.out.Blobs), p.bytes}
}

// content is what one repository has, as far as it came.
type content struct {
	manifests map[storage.Digest]*storage.Manifest
	wrong     map[storage.Digest]string // manifests and blobs
	tags      map[string]string         // tags that lead elsewhere or nowhere
	listed    map[storage.Digest]bool   // manifests that the snapshot has
}

func (p *puller) repository(ctx context.Context, r Repository) error {
	p.out.Repositories++
	s := &content{map[storage.Digest]*storage.Manifest{}, map[storage.Digest]string{}, map[string]string{}, map[storage.Digest]bool{}}
	for _, d := range r.Manifests {
		s.listed[d] = true
	}
	if err := p.tags(ctx, r, s); err != nil {
		return err
	}
	for next := r.Manifests; ; {
		var err error
		if next, err = p.manifests(ctx, r.Name, next, s); err != nil {
			return err
		}
		if len(next) == 0 {
			break
		}
	}
	if err := p.fetch(ctx, r.Name, s); err != nil {
		return err
	}
	p.judge(r, s)
	return nil
}

// tags resolves the tags.
func (p *puller) tags(ctx context.Context, r Repository, s *content) error {
	return p.each(len(r.Tags), func(i int) error {
		t := r.Tags[i]
		body, err := p.c.manifest(ctx, r.Name, t.Name, t.Digest)
		return p.note(err, func(wrong string) {
			if wrong != "" {
				s.tags[t.Name] = wrong
				return
			}
			p.add(s, t.Digest, body)
		})
	})
}

// manifests fetches manifests by their digests and returns those that indexes among
// all that are known name, and that are not.
func (p *puller) manifests(ctx context.Context, name string, digests []storage.Digest, s *content) (more []storage.Digest, err error) {
	var missing []storage.Digest
	for _, d := range digests {
		if s.manifests[d] == nil && s.wrong[d] == "" {
			missing = append(missing, d)
		}
	}
	err = p.each(len(missing), func(i int) error {
		d := missing[i]
		body, err := p.c.manifest(ctx, name, d.String(), d)
		return p.note(err, func(wrong string) {
			if wrong != "" {
				s.wrong[d] = wrong
				return
			}
			p.add(s, d, body)
		})
	})
	seen := map[storage.Digest]bool{}
	for _, m := range s.manifests {
		for _, child := range m.Manifests {
			d := child.Digest
			switch {
			case s.manifests[d] != nil, s.wrong[d] != "", seen[d], p.opts.Sparse && !s.listed[d]:
			default:
				seen[d] = true
				more = append(more, d)
			}
		}
	}
	return more, err
}

// add takes a manifest that came, under the lock.
func (p *puller) add(s *content, d storage.Digest, body []byte) {
	if s.manifests[d] != nil || s.wrong[d] != "" {
		return
	}
	m, err := storage.ParseManifest(body)
	if err != nil {
		s.wrong[d] = err.Error()
		return
	}
	s.manifests[d] = m
	p.out.Manifests++
	p.bytes += int64(len(body))
}

// fetch reads the blobs that the manifests name, or asks for those that were read
// from another repository.
func (p *puller) fetch(ctx context.Context, name string, s *content) error {
	var need []storage.Descriptor
	seen := map[storage.Digest]bool{}
	for _, m := range s.manifests {
		for b := range m.Blobs() {
			if !b.External && !seen[b.Digest] {
				seen[b.Digest] = true
				if m.Kind == storage.KindSchema1 {
					b.Size = -1
				}
				need = append(need, b)
			}
		}
	}
	slices.SortFunc(need, func(a, b storage.Descriptor) int { return a.Digest.Compare(b.Digest) })
	return p.each(len(need), func(i int) error {
		b := need[i]
		p.mu.Lock()
		came := p.blobs[b.Digest]
		p.mu.Unlock()
		if came {
			return p.note(p.c.has(ctx, name, b.Digest), func(wrong string) { s.blame(b.Digest, wrong) })
		}
		err := p.c.blob(ctx, name, b.Digest, b.Size, func(n int64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.bytes += n
			p.tell()
		})
		return p.note(err, func(wrong string) {
			// One that failed may come from another repository.
			if wrong == "" {
				p.blobs[b.Digest] = true
				p.out.Blobs++
			}
			s.blame(b.Digest, wrong)
		})
	})
}

func (s *content) blame(d storage.Digest, wrong string) {
	if wrong != "" {
		s.wrong[d] = wrong
	}
}

func (p *puller) each(n int, f func(int) error) error { return storage.Each(p.opts.Workers, n, f) }

// note takes what became of a request, under the lock. Only what is no fault of
// what was asked for ends the drill.
func (p *puller) note(err error, take func(wrong string)) error {
	var f fault
	if err != nil && !errors.As(err, &f) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		take(err.Error())
	} else {
		take("")
	}
	return nil
}
