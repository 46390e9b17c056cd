package gc

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// decide marks the manifests that stay.
//
// The edges along which something keeps something else: a tag its manifest, an
// index its children, a manifest what is about it (subject), a manifest its
// cosign tags if so wished. Roots are tags; manifests that the caller named;
// young ones; and untagged ones, if these stay, except those that are about
// another one here or that hang on a tag which is removed: they live and die
// with it.
func (s *scan) decide() {
	s.damagedTags()
	s.cosignTags()
	with := s.withRemovedTags()
	lastTagged := s.lastTagged()
	for _, t := range s.tags {
		if _, follows := s.follows[t.Name]; follows || s.removed(t) || t.Fault != "" {
			continue
		}
		s.keep(s.id(t.Digest))
	}
	limit := s.run.now.Add(-s.run.opts.UntaggedOlderThan)
	for i := range s.nodes {
		n := &s.nodes[i]
		d := s.digests[n.id]
		hangs := with[n.id] || s.hanging[n.id] || n.subject >= 0 && s.nodeOf[n.subject] >= 0
		switch {
		case s.run.pinned(d), s.run.young(n.link.ModTime), s.run.young(n.link.Changed):
		case hangs:
			continue
		case !s.run.opts.DeleteUntagged, n.link.ModTime.After(limit), lastTagged[n.id].After(limit):
		default:
			continue
		}
		s.keep(n.id)
	}
	// A pinned manifest's link may be missing, its content not.
	for d := range s.run.keepSet {
		if id, ok := s.ids[d]; ok {
			s.use(id)
		}
	}
}

// damagedTags finds the tags that keep nobody knows what.
func (s *scan) damagedTags() {
	for _, t := range s.tags {
		where := storage.TagLinkPath(s.repo.name, t.Name)
		if t.Fault != "" {
			l := storage.Link{Digest: t.Digest, Fault: t.Fault, Err: t.Err}
			s.fault(l, strings.TrimSuffix(where, "/link"))
			continue
		}
		if s.nodeOf[s.id(t.Digest)] < 0 {
			s.damage(storage.RevisionMissing, t.Digest, where, "the tag "+t.Name+" names a manifest that the repository does not have")
		}
	}
}

// removed tells whether a tag is to go because the caller says so.
func (s *scan) removed(t storage.Tag) bool {
	d, ok := s.doomed[t.Name]
	return ok && t.Fault == "" && t.Digest == d.Digest
}

// goes tells whether a tag goes, once it is decided which manifests stay.
func (s *scan) goes(t storage.Tag) bool {
	if s.repo.remove {
		return true
	}
	if s.removed(t) {
		return true
	}
	subject, ok := s.follows[t.Name]
	if !ok {
		return false
	}
	n := s.nodeOf[subject]
	return n < 0 || !s.nodes[n].kept
}

// withRemovedTags are the manifests that hang on tags which are removed with
// their manifests: these, their children and what is about them.
func (s *scan) withRemovedTags() map[int32]bool {
	with := map[int32]bool{}
	var todo []int32
	for _, t := range s.tags {
		if d, ok := s.doomed[t.Name]; ok && d.Manifest && s.removed(t) {
			todo = append(todo, s.id(t.Digest))
		}
	}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if with[id] {
			continue
		}
		with[id] = true
		if at := s.nodeOf[id]; at >= 0 {
			todo = append(todo, s.nodes[at].children...)
		}
		todo = append(todo, s.about[id]...)
		todo = append(todo, s.cosign[id]...)
	}
	return with
}

// cosignTags finds the tags that follow a manifest. A manifest that is not here
// has none: signatures may be kept in a repository of their own.
func (s *scan) cosignTags() {
	if !s.run.opts.CosignTags {
		return
	}
	for _, t := range s.tags {
		subject, ok := cosignSubject(t.Name)
		if !ok || t.Fault != "" {
			continue
		}
		id, known := s.ids[subject]
		if !known || s.nodeOf[id] < 0 || subject == t.Digest {
			continue
		}
		s.cosign[id] = append(s.cosign[id], s.id(t.Digest))
		if !s.run.young(t.Pushed) && !s.run.young(t.Changed) {
			s.follows[t.Name] = id
			s.hanging[s.id(t.Digest)] = true
		}
	}
}

// cosignSubject is the manifest that a tag is about by cosign's rule, or by
// OCI's for registries that have no referrers.
func cosignSubject(tag string) (storage.Digest, bool) {
	for _, suffix := range []string{".sig", ".att", ".sbom"} {
		tag = strings.TrimSuffix(tag, suffix)
	}
	alg, hex, ok := strings.Cut(tag, "-")
	if !ok {
		return storage.Digest{}, false
	}
	d, err := storage.ParseDigest(alg + ":" + hex)
	return d, err == nil
}

// keep marks a manifest and everything that it keeps.
func (s *scan) keep(id int32) {
	todo := []int32{id}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s.use(id)
		at := s.nodeOf[id]
		if at < 0 {
			if at = s.withoutLink(id); at < 0 {
				continue
			}
		}
		n := &s.nodes[at]
		if n.kept {
			continue
		}
		n.kept = true
		for _, b := range n.blobs {
			s.use(b)
		}
		todo = append(todo, n.children...)
		todo = append(todo, s.about[id]...)
		todo = append(todo, s.cosign[id]...)
	}
}

// withoutLink looks at what an index names and the repository does not link as
// a manifest. Some indexes list layers there (a build cache), some were pushed
// without all children; and if the link was lost, what the manifest needs stays.
func (s *scan) withoutLink(id int32) int32 {
	if s.looked[id] {
		return -1
	}
	s.looked[id] = true
	d := s.digests[id]
	m, err := s.run.manifest(d)
	switch {
	case errors.Is(err, storage.ErrManifestMissing):
		s.note(storage.ChildMissing, d, storage.BlobPath(d), "an index names this manifest, which is not there")
		return -1
	case errors.Is(err, storage.ErrManifestUnknown), errors.Is(err, storage.ErrTooLarge):
		return -1 // a blob, not a manifest
	case err != nil:
		s.damage(storage.ManifestProblem(err), d, storage.BlobPath(d)+"/data", err.Error())
		return -1
	}
	n := node{id: id, subject: -1}
	s.references(&n, m)
	// Not in nodeOf: it is no manifest of the repository. It is kept here and now.
	for _, b := range n.blobs {
		s.use(b)
	}
	for _, c := range n.children {
		s.keep(c)
	}
	return -1
}

// lastTagged is since when manifests have been without each of the tags that
// they had, as the histories tell: when the tag's next manifest came.
func (s *scan) lastTagged() map[int32]time.Time {
	if !s.run.opts.DeleteUntagged || s.run.opts.UntaggedOlderThan == 0 {
		return nil
	}
	out := map[int32]time.Time{}
	s.r.Changes(s.tags, func(at, digests int) {
		t := s.tags[at]
		if t.Fault != "" || digests == 1 {
			return
		}
		history, err := s.r.History(t.Name)
		if err != nil {
			s.damage(storage.Unreadable, t.Digest, storage.TagPath(s.repo.name, t.Name)+"/index", err.Error())
			return
		}
		slices.SortFunc(history, func(a, b storage.Link) int { return a.ModTime.Compare(b.ModTime) })
		for i, l := range history {
			id, known := s.ids[l.Digest]
			if !known {
				continue
			}
			until := t.Pushed
			for _, next := range history[i+1:] {
				if next.ModTime.After(l.ModTime) {
					until = next.ModTime
					break
				}
			}
			if until.After(out[id]) {
				out[id] = until
			}
		}
	})
	return out
}
