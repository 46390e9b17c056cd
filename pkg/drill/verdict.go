package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regctl/regctl/pkg/storage"
)

// Unpullable is a tag that does not come whole, or a manifest without a tag.
type Unpullable struct {
	Repository string         `json:"repository" doc:"repository"`
	Tag        string         `json:"tag" doc:"tag; empty for a manifest that no such tag leads to"`
	Digest     storage.Digest `json:"digest" doc:"the tag's, or the manifest's"`
	Cause      storage.Digest `json:"cause" doc:"the manifest or blob that does not come, or comes damaged"`
	Message    string         `json:"message" doc:"what is wrong with it"`
}

// String names it as a person would.
func (u Unpullable) String() string {
	name := u.Repository + ":" + u.Tag
	if u.Tag == "" {
		name = u.Repository + "@" + u.Digest.String()
	}
	if u.Cause == u.Digest {
		return name + ": " + u.Message
	}
	return fmt.Sprintf("%s: %s: %s", name, u.Cause, u.Message)
}

// judge tells which tags do not come whole, and which manifests beside them.
func (p *puller) judge(r Repository, s *content) {
	known := map[storage.Digest]storage.Digest{}
	told := map[storage.Digest]bool{} // below a tag that is told
	slices.SortFunc(r.Tags, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range r.Tags {
		u := Unpullable{Repository: r.Name, Tag: t.Name, Digest: t.Digest, Cause: t.Digest, Message: s.tags[t.Name]}
		if u.Message == "" {
			if u.Cause = p.cause(s, t.Digest, known); u.Cause.IsZero() {
				p.out.Tags++
				continue
			}
			u.Message = s.wrong[u.Cause]
		}
		p.fail(u)
		s.below(t.Digest, told)
	}
	for _, d := range r.Manifests {
		if cause := p.cause(s, d, known); !cause.IsZero() && !told[d] {
			p.fail(Unpullable{Repository: r.Name, Digest: d, Cause: cause, Message: s.wrong[cause]})
		}
	}
}

func (p *puller) fail(u Unpullable) {
	p.out.Failed++
	if len(p.out.Unpullable) < mostUnpullable {
		p.out.Unpullable = append(p.out.Unpullable, u)
	}
}

// cause is the first of what is wrong below a manifest, zero if nothing is. No
// manifest can contain its own digest, so this ends.
func (p *puller) cause(s *content, d storage.Digest, known map[storage.Digest]storage.Digest) (found storage.Digest) {
	if c, ok := known[d]; ok {
		return c
	}
	defer func() { known[d] = found }()
	if s.wrong[d] != "" {
		return d
	}
	m := s.manifests[d]
	if m == nil {
		return storage.Digest{} // sparse
	}
	for _, child := range m.Manifests {
		if c := p.cause(s, child.Digest, known); !c.IsZero() {
			return c
		}
	}
	for b := range m.Blobs() {
		if s.wrong[b.Digest] != "" {
			return b.Digest
		}
	}
	return storage.Digest{}
}

// below marks a manifest and those that it leads to.
func (s *content) below(d storage.Digest, marked map[storage.Digest]bool) {
	if marked[d] {
		return
	}
	marked[d] = true
	if m := s.manifests[d]; m != nil {
		for _, child := range m.Manifests {
			s.below(child.Digest, marked)
		}
	}
}
