package gc

import (
	"fmt"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

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
