package gc

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// repo is a repository as it was when it was scanned.
type repo struct {
	name string
	// states are from before it was scanned, at scanned.
	states  storage.DirStates
	scanned time.Time
	first   time.Time // when the scan began
	// known are the manifests that it had, sorted.
	known []storage.Digest
	// subjects leads from a manifest to those that are to go and are about it.
	subjects map[storage.Digest][]storage.Digest
	// aliases leads from the links of layers that are to go to their blobs, where
	// the digest is another.
	aliases map[storage.Digest]storage.Digest
	remove  bool
}

// scan is the look at one repository.
type scan struct {
	run  *Run
	at   int32
	repo *repo
	r    *storage.Repository

	tags    []storage.Tag
	doomed  map[string]TagRemoval // by tag
	ids     map[storage.Digest]int32
	digests []storage.Digest
	nodes   []node
	nodeOf  []int32 // by id, -1 for what is no manifest here
	about   map[int32][]int32
	cosign  map[int32][]int32 // manifests of a subject's cosign tags
	follows map[string]int32  // cosign tags, and their subject's id
	hanging map[int32]bool    // manifests of those tags
	used    []bool            // by id
	looked  map[int32]bool    // what withoutLink has looked at

	items    []item
	problems []Problem
	damaged  bool
	strange  bool
	revs     Count
	tagCount Count
	links    int // that stay
	uploads  int // that stay
}

// node is a manifest of the repository.
type node struct {
	id              int32
	link            storage.Link
	blobs, children []int32
	subject         int32
	kept            bool
}

// scanRepository looks at a repository and decides what stays there. Damage may
// only seem so while somebody writes: it is looked at again then, and believed
// when it lasts.
func (r *Run) scanRepository(at int32) (*scan, error) {
	began := time.Now()
	since := map[string]time.Time{} // a problem to when it was first seen, and ever since
	for {
		s := &scan{run: r, at: at, repo: r.repos[at]}
		err := s.look()
		if errors.Is(err, errHealed) {
			continue
		}
		if errors.Is(err, errGone) {
			return &scan{run: r, at: at, repo: &repo{name: r.repos[at].name}}, nil
		}
		if err != nil || !s.damaged {
			return s, err
		}
		quiet := s.run.clock().Add(-5 * time.Second).UnixNano()
		if st := s.repo.states; max(st.Tags.Modified(), st.Revisions[0].Modified(), st.Layers[0].Modified()) < quiet {
			return s, nil
		}
		since = s.since(since)
		if now := time.Now(); s.lasts(since, now.Add(-damageLasts)) || now.Sub(began) > 5*damageLasts {
			return s, nil
		}
		time.Sleep(damageLasts / 10)
	}
}

// damageLasts is for how long damage in a repository that is written to has to be
// there. What the registry does in several steps takes it milliseconds.
const damageLasts = time.Second

// since carries over when each problem was first seen.
func (s *scan) since(before map[string]time.Time) map[string]time.Time {
	out := map[string]time.Time{}
	for _, p := range s.problems {
		key := p.ID + " " + p.Path
		if first, ok := before[key]; ok {
			out[key] = first
		} else {
			out[key] = time.Now()
		}
	}
	return out
}

// lasts tells whether all damage was there before an instant. What was not is
// told no more: everything is kept for its sake all the same.
func (s *scan) lasts(since map[string]time.Time, before time.Time) bool {
	all := len(s.problems)
	s.problems = slices.DeleteFunc(s.problems, func(p Problem) bool {
		return p.Damage && since[p.ID+" "+p.Path].After(before)
	})
	return len(s.problems) == all
}

var (
	errGone = errors.New("the repository has gone")
	// errHealed says that something came back from the trash: look again.
	errHealed = errors.New("put back")
)

func (s *scan) look() error {
	var err error
	s.r, err = s.run.store.Repository(s.repo.name, func(p storage.Problem) {
		s.strange = true
		s.problems = append(s.problems, Problem{p, false})
	})
	if gone(err) {
		return errGone
	}
	if err != nil {
		return err
	}
	defer s.r.Close()
	s.repo.scanned = s.run.coarseNow()
	s.repo.first = s.repo.scanned
	if s.repo.states, err = s.r.States(); err != nil {
		return err
	}
	if err := s.read(); err != nil {
		return err
	}
	if !s.repo.remove {
		s.decide()
		if err := s.heal(); err != nil {
			return err
		}
	}
	return s.plan()
}

// read reads tags and manifests.
func (s *scan) read() (err error) {
	s.ids = map[storage.Digest]int32{}
	s.about, s.cosign, s.follows = map[int32][]int32{}, map[int32][]int32{}, map[string]int32{}
	s.hanging, s.looked = map[int32]bool{}, map[int32]bool{}
	s.doomed = s.run.doomed[s.repo.name]
	if err := s.r.Check(); err != nil {
		return err
	}
	// Tags first: what they name is there before them.
	if s.tags, err = s.r.Tags(); err != nil {
		return err
	}
	slices.SortFunc(s.tags, func(a, b storage.Tag) int { return strings.Compare(a.Name, b.Name) })
	links, err := s.r.Revisions()
	if err != nil {
		return err
	}
	slices.SortFunc(links, func(a, b storage.Link) int { return a.Digest.Compare(b.Digest) })
	s.repo.known = s.repo.known[:0]
	const chunk = 512 // manifests at a time: a large repository has more than fit
	for part := range slices.Chunk(links, chunk) {
		parsed, failures := make([]*storage.Manifest, len(part)), make([]error, len(part))
		workers := 1
		if len(links) > 2*chunk || len(s.run.repos) < 4 {
			workers = s.run.workers
		}
		storage.Each(workers, len(part), func(i int) error {
			if part[i].Fault != storage.LinkMissing && !s.repo.remove {
				parsed[i], failures[i] = s.run.manifest(part[i].Digest)
			}
			return nil
		})
		for i, l := range part {
			s.revision(l, parsed[i], failures[i])
		}
	}
	return nil
}

func (s *scan) id(d storage.Digest) int32 {
	if id, ok := s.ids[d]; ok {
		return id
	}
	id := int32(len(s.digests))
	s.ids[d] = id
	s.digests = append(s.digests, d)
	s.nodeOf = append(s.nodeOf, -1)
	s.used = append(s.used, false)
	return id
}

func (s *scan) revision(l storage.Link, m *storage.Manifest, err error) {
	where := storage.RevisionPath(s.repo.name, l.Digest)
	if l.Fault == storage.LinkMissing {
		s.husk(kindRevision, l.Digest)
		return
	}
	s.repo.known = append(s.repo.known, l.Digest)
	n := node{id: s.id(l.Digest), link: l, subject: -1}
	if l.Fault != "" && !s.repo.remove {
		s.fault(l, where)
	}
	switch {
	case s.repo.remove:
	case err != nil:
		s.damage(storage.ManifestProblem(err), l.Digest, storage.BlobPath(l.Digest)+"/data", err.Error())
	default:
		s.references(&n, m)
	}
	s.nodeOf[n.id] = int32(len(s.nodes))
	s.nodes = append(s.nodes, n)
}

func (s *scan) references(n *node, m *storage.Manifest) {
	for d := range m.Blobs() {
		n.blobs = append(n.blobs, s.id(d.Digest))
	}
	for _, d := range m.Manifests {
		n.children = append(n.children, s.id(d.Digest))
	}
	if m.Subject != nil {
		n.subject = s.id(m.Subject.Digest)
		s.about[n.subject] = append(s.about[n.subject], n.id)
	}
	if m.Kind == storage.KindSchema1 {
		signatures, err := s.r.Signatures(s.digests[n.id])
		if err != nil {
			s.damage(storage.Unreadable, s.digests[n.id], storage.RevisionPath(s.repo.name, s.digests[n.id]), err.Error())
		}
		for _, l := range signatures {
			n.blobs = append(n.blobs, s.id(l.Digest))
		}
	}
}

func (s *scan) damage(id string, d storage.Digest, path, message string) {
	s.damaged = true
	s.problems = append(s.problems, Problem{storage.Problem{ID: id, Repository: s.repo.name, Digest: d, Path: path, Message: message}, true})
}

func (s *scan) fault(l storage.Link, dir string) {
	message := l.Fault.Text()
	if l.Err != nil {
		message += ": " + l.Err.Error()
	}
	s.damage(string(l.Fault), l.Digest, dir+"/link", message)
}

// husk plans what a deletion of the registry leaves: a directory without link.
func (s *scan) husk(k kind, d storage.Digest) {
	if s.repo.remove {
		return
	}
	it := item{kind: k, husk: true, repo: s.at, digest: d}
	info, err := s.run.store.Lstat(it.path(s.repo.name))
	if err != nil {
		return
	}
	if s.run.young(info.Younger()) {
		it.state = watched
	}
	s.items = append(s.items, it)
}
