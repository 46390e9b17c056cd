package gc

import (
	"context"
	"slices"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// coarse is more than file systems round their times to (FAT: 2 s): a directory
// that changed so shortly before it was read may have changed again since.
const coarse = 2 * time.Second

// changed tells whether a directory may have got entries since it was read.
func changed(then, now storage.State, read time.Time) bool {
	return then != now || then.Modified() > read.Add(-coarse).UnixNano()
}

// recheck looks at what changed since the scan and takes what is needed now out
// of the plan, or out of the trash. It reads the directories of repositories that
// changed, and the links of what is to go; nothing else, since
//   - whoever puts a manifest there, new or again, with or without a tag, writes its
//     link in revisions: a new one changes that directory, one that is to go has
//     another time (2.x writes into the link, 3.x replaces it);
//   - whoever is told that a layer is there gets a link in _layers: the same.
func (r *Run) recheck() error {
	if err := r.newRepositories(); err != nil {
		return err
	}
	if err := r.recheckRepos(nil); err != nil {
		return err
	}
	return r.recheckItems()
}

// newRepositories finds the repositories that were not there when the others were
// scanned. Nothing else tells of them: a blob that is mounted into one leaves its
// trace there alone.
func (r *Run) newRepositories() error {
	names, _, err := r.store.Repositories(context.Background())
	if err != nil {
		return err
	}
	old := make(map[string]bool, len(r.repos))
	for _, rp := range r.repos {
		old[rp.name] = true
	}
	for _, name := range names {
		if !old[name] {
			r.repos = append(r.repos, &repo{name: name})
		}
	}
	return nil
}

// recheckRepos looks at the directories; those of all in full as well as those
// that changed.
func (r *Run) recheckRepos(full map[int32]bool) error {
	return storage.Each(r.workers, len(r.repos), func(i int) error {
		return r.recheckRepo(int32(i), full[int32(i)])
	})
}

func (r *Run) recheckRepo(i int32, full bool) error {
	rp := r.repos[i]
	if rp.remove {
		return nil
	}
	repo, err := r.store.Repository(rp.name, nil)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer repo.Close()
	read := r.coarseNow()
	now, err := repo.States()
	if err != nil {
		return err
	}
	differ := func(a, b [2]storage.State) bool {
		return full || changed(a[0], b[0], rp.scanned) || changed(a[1], b[1], rp.scanned)
	}
	if differ(rp.states.Revisions, now.Revisions) {
		there, err := repo.RevisionDigests()
		if err != nil {
			return err
		}
		for _, d := range there {
			if _, known := slices.BinarySearchFunc(rp.known, d, storage.Digest.Compare); known && !r.took(kindRevision, i, d) {
				continue
			}
			if repo.Revision(d).Fault == storage.LinkMissing {
				continue
			}
			r.rescue(func() { r.keepManifest(i, d) })
		}
	}
	if differ(rp.states.Layers, now.Layers) {
		if err := r.recheckLayers(i, repo); err != nil {
			return err
		}
	}
	rp.states, rp.scanned = now, read
	return nil
}

// recheckLayers looks for links to blobs that are to go.
func (r *Run) recheckLayers(i int32, repo *storage.Repository) error {
	return repo.LayerDigests(func(d storage.Digest) error {
		if it := r.find(kindLayer, i, d); it != nil && !it.is(moved) && !it.is(watched) {
			return nil // recheckItems looks at it
		}
		if d.Algorithm() == storage.SHA256 && r.find(kindBlob, 0, d) == nil && r.find(kindLayer, i, d) == nil {
			return nil
		}
		l := repo.Layer(d)
		if l.Fault == storage.LinkMissing {
			return nil
		}
		r.rescue(func() {
			r.keepUse(i, d)
			if !l.Target.IsZero() {
				r.keepUse(i, l.Target)
			}
		})
		return nil
	})
}

// took tells whether something was moved to the trash.
func (r *Run) took(k kind, repo int32, d storage.Digest) bool {
	it := r.find(k, repo, d)
	return it != nil && it.is(moved)
}

// recheckItems looks at each link that is to go.
func (r *Run) recheckItems() error {
	for _, k := range []kind{kindRevision, kindLayer, kindTag} {
		list := r.items[k]
		const part = 256
		err := storage.Each(r.workers, (len(list)+part-1)/part, func(p int) error {
			m := storage.NewMover(r.store)
			defer m.Close()
			for i := p * part; i < min(len(list), (p+1)*part); i++ {
				it := &list[i]
				// A layer's link is looked at when it goes; only if it is written again in
				// between, its blob comes back.
				if !it.is(watched) && (!it.is(planned) || k == kindLayer) {
					continue
				}
				same, err := r.same(m, it)
				if err != nil {
					return err
				}
				if !same {
					r.rescue(func() { r.keepAgain(it) })
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// same tells whether an item's link or data is as it was when it was planned.
func (r *Run) same(m *storage.Mover, it *item) (bool, error) {
	file := it.file()
	if file == "" {
		return true, nil
	}
	dir, name := splitPath(r.where(it))
	info, err := m.Lstat(dir, name+"/"+file)
	if gone(err) {
		if it.husk {
			return true, nil
		}
		// Somebody deleted it: there is nothing to take away but its directory, which
		// the next run does.
		_, err := m.Lstat(dir, name)
		return false, ignoreGone(err)
	}
	if err != nil {
		return false, err
	}
	if it.husk || info.ModTime.UnixNano() != it.modified || info.Changed.UnixNano() != it.changed {
		return false, nil
	}
	if it.kind == kindLayer {
		info, err := m.Lstat(dir, name)
		return err == nil && info.ModTime.UnixNano() == it.entries, ignoreGone(err)
	}
	return true, nil
}

func appendError(errs []error, err error) []error {
	if err != nil {
		errs = append(errs, err)
	}
	return errs
}

func ignoreGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

func splitPath(rel string) (dir, name string) {
	for i := len(rel) - 1; i >= 0; i-- {
		if rel[i] == '/' {
			return rel[:i], rel[i+1:]
		}
	}
	return "", rel
}
