package gc

import (
	"errors"
	"fmt"
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

// plan looks at layers and uploads, and plans what goes.
func (s *scan) plan() error {
	if err := s.layers(); err != nil {
		return err
	}
	if s.damaged && !s.repo.remove {
		if err := s.failClosed(); err != nil {
			return err
		}
	}
	s.planManifests()
	if err := s.planUploads(); err != nil {
		return err
	}
	return s.planRepository()
}

func (s *scan) layers() error {
	var candidates []storage.Link
	err := s.r.Layers(false, func(l storage.Link) error {
		if l.Fault == storage.LinkMissing {
			s.husk(kindLayer, l.Digest)
			return nil
		}
		switch {
		case s.repo.remove:
			return nil
		case l.Fault != "":
			s.fault(l, storage.LayerPath(s.repo.name, l.Digest))
			return nil
		}
		young := s.run.young(l.ModTime) || s.run.young(l.Changed) || s.run.pinned(l.Digest)
		if young {
			// Somebody was just told that it is there.
			s.use(s.id(l.Digest))
		}
		if l.Target == l.Digest && s.isUsed(l.Digest) {
			s.links++
			return nil
		}
		candidates = append(candidates, l)
		return nil
	})
	if err != nil {
		return err
	}
	// An alias that is used needs the link that it stands for.
	for _, l := range candidates {
		if l.Target != l.Digest && s.isUsed(l.Digest) {
			s.use(s.id(l.Target))
		}
	}
	m := storage.NewMover(s.run.store)
	defer m.Close()
	for _, l := range candidates {
		if s.isUsed(l.Digest) {
			s.links++
			continue
		}
		it := item{kind: kindLayer, repo: s.at, digest: l.Digest}
		it.times(l.ModTime, l.Changed)
		dir, name := splitPath(it.path(s.repo.name))
		info, err := m.Lstat(dir, name)
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		it.entries = info.ModTime.UnixNano()
		s.items = append(s.items, it)
		if l.Target != l.Digest {
			if s.repo.aliases == nil {
				s.repo.aliases = map[storage.Digest]storage.Digest{}
			}
			s.repo.aliases[l.Digest] = l.Target
		}
	}
	return nil
}

func (s *scan) isUsed(d storage.Digest) bool {
	id, ok := s.ids[d]
	return ok && s.used[id]
}

func (s *scan) use(id int32) {
	if !s.used[id] {
		s.used[id] = true
		s.run.used.add(s.digests[id])
	}
}

// failClosed keeps everything that a damaged repository links.
func (s *scan) failClosed() error {
	for i := range s.items {
		s.items[i].state = watched
	}
	s.items = slices.DeleteFunc(s.items, func(it item) bool { return !it.husk })
	s.follows = nil
	s.doomed = nil
	for i := range s.nodes {
		s.keep(s.nodes[i].id)
	}
	for _, t := range s.tags {
		if t.Fault == "" {
			s.keep(s.id(t.Digest))
		}
	}
	s.links = 0
	return s.r.Layers(true, func(l storage.Link) error {
		s.links++
		s.use(s.id(l.Digest))
		if !l.Target.IsZero() {
			s.use(s.id(l.Target))
		}
		return nil
	})
}

// planManifests plans the tags and manifests that go.
func (s *scan) planManifests() {
	var gone []storage.Digest
	for _, n := range s.nodes {
		if n.kept {
			s.revs.Kept++
			continue
		}
		s.revs.Deleted++
		if s.repo.remove {
			continue
		}
		d := s.digests[n.id]
		it := item{kind: kindRevision, repo: s.at, digest: d}
		it.times(n.link.ModTime, n.link.Changed)
		s.items = append(s.items, it)
		gone = append(gone, d)
		if n.subject >= 0 {
			if s.repo.subjects == nil {
				s.repo.subjects = map[storage.Digest][]storage.Digest{}
			}
			about := s.digests[n.subject]
			s.repo.subjects[about] = append(s.repo.subjects[about], d)
		}
	}
	for _, t := range s.tags {
		if !s.goes(t) {
			s.tagCount.Kept++
			continue
		}
		s.tagCount.Deleted++
		if s.repo.remove {
			continue
		}
		it := item{kind: kindTag, repo: s.at, name: t.Name, digest: t.Digest}
		it.times(t.Pushed, t.Changed)
		s.items = append(s.items, it)
	}
	s.planHistory(gone)
}

// longHistory is how many digests a tag has in its history before those of
// deleted manifests are removed from it. A few take no room.
const longHistory = 10

// planHistory plans the entries of deleted manifests in the histories of tags.
func (s *scan) planHistory(gone []storage.Digest) {
	if len(gone) == 0 || s.repo.remove {
		return
	}
	// What cannot be read only stays.
	s.r.Changes(s.tags, func(i, digests int) {
		t := s.tags[i]
		if s.goes(t) || digests >= 0 && digests <= longHistory {
			return
		}
		history, err := s.r.History(t.Name)
		if err != nil || len(history) <= longHistory {
			return
		}
		for _, l := range history {
			if _, found := slices.BinarySearchFunc(gone, l.Digest, storage.Digest.Compare); !found || l.Fault != "" {
				continue
			}
			it := item{kind: kindHistory, repo: s.at, name: t.Name, digest: l.Digest}
			it.times(l.ModTime, l.Changed)
			s.items = append(s.items, it)
		}
	})
}

func (s *scan) planUploads() error {
	uploads, err := s.r.Uploads()
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if s.repo.remove {
			continue
		}
		if !s.run.stale(u) {
			s.uploads++
			continue
		}
		s.items = append(s.items, item{kind: kindUpload, repo: s.at, name: u.ID, size: u.Size})
	}
	return nil
}

// stale tells whether an upload was given up.
func (r *Run) stale(u storage.Upload) bool {
	if r.young(u.ModTime) || u.ModTime.After(r.now.Add(-time.Hour)) {
		return false // it may be so new that its start is not written yet
	}
	if u.Started.IsZero() {
		return true // nobody can go on with it
	}
	limit := r.now.Add(-r.opts.Uploads)
	return u.Started.Before(limit) && u.ModTime.Before(limit)
}

// planRepository plans what is left of a repository that has nothing any more.
func (s *scan) planRepository() error {
	if s.repo.remove {
		s.strange = false
	}
	if s.damaged && !s.repo.remove || s.strange || s.revs.Kept+s.tagCount.Kept+s.links+s.uploads > 0 {
		return nil
	}
	entries, err := s.run.store.List(storage.RepositoryPath(s.repo.name))
	if err != nil {
		return err
	}
	var own []string
	for _, e := range entries {
		if (e.Name == "_manifests" || e.Name == "_layers" || e.Name == "_uploads") && e.Type.IsDir() {
			own = append(own, e.Name)
		}
	}
	for _, name := range own {
		young, err := s.run.youngDirectory(storage.RepositoryPath(s.repo.name)+"/"+name, 3)
		if err != nil {
			return err
		}
		if young && !s.repo.remove {
			return nil
		}
	}
	if len(own) == len(entries) {
		s.items = append(s.items, item{kind: kindRepository, repo: s.at, name: s.repo.name, force: s.repo.remove})
		return nil
	}
	for _, name := range own {
		s.items = append(s.items, item{kind: kindRepository, repo: s.at, name: s.repo.name + "/" + name, force: s.repo.remove})
	}
	return nil
}

// youngDirectory tells whether a directory or one below, to a depth, is young.
func (r *Run) youngDirectory(rel string, depth int) (bool, error) {
	info, err := r.store.Lstat(rel)
	if gone(err) {
		return false, nil
	}
	if err != nil || r.young(info.ModTime) {
		return true, err
	}
	if depth == 0 {
		return false, nil
	}
	entries, err := r.store.List(rel)
	if err != nil {
		return true, err
	}
	for _, e := range entries {
		if !e.Type.IsDir() || len(e.Name) > 20 { // digests and uploads were judged by themselves
			continue
		}
		if young, err := r.youngDirectory(rel+"/"+e.Name, depth-1); young || err != nil {
			return young, err
		}
	}
	return false, nil
}

// note tells of something that keeps nothing from being collected.
func (s *scan) note(id string, d storage.Digest, path, format string, args ...any) {
	s.problems = append(s.problems, Problem{storage.Problem{ID: id, Repository: s.repo.name, Digest: d, Path: path, Message: fmt.Sprintf(format, args...)}, false})
}
