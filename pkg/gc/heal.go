package gc

import (
	"errors"

	"github.com/regctl/regctl/pkg/storage"
)

// inTrash is where something lies that a run took.
type inTrash struct {
	run    string
	number int32
}

// loadLinks reads which manifests and layers of which repositories are in the
// trash.
func (t *trash) loadLinks() error {
	t.links = map[kind]map[string]map[storage.Digest]inTrash{kindRevision: {}, kindLayer: {}}
	for _, run := range t.runs {
		_, _, err := t.journal(run, func(repository string, it item) error {
			of, ok := t.links[it.kind]
			if !ok {
				return nil
			}
			if of[repository] == nil {
				of[repository] = map[storage.Digest]inTrash{}
			}
			of[repository][it.digest] = inTrash{run.name, it.number}
			return nil
		})
		if errors.Is(err, errJournal) {
			t.problem(run, err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// heal puts back links that the repository needs: of a write that was let
// through before an earlier run held, and ended after that run looked a last
// time.
func (s *scan) heal() error {
	if s.run.opts.DryRun {
		return nil
	}
	healed := false
	for d, at := range s.run.trash.links[kindRevision][s.repo.name] {
		id, ok := s.ids[d]
		if !ok || !s.used[id] || s.nodeOf[id] >= 0 {
			continue
		}
		ok, err := s.run.putBack(at, storage.RevisionPath(s.repo.name, d))
		if err != nil {
			return err
		}
		// What came back may be a directory without a link.
		healed = healed || ok && s.r.Revision(d).Fault != storage.LinkMissing
	}
	if healed {
		return errHealed
	}
	for d, at := range s.run.trash.links[kindLayer][s.repo.name] {
		if !s.isUsed(d) {
			continue
		}
		if _, err := s.run.putBack(at, storage.LayerPath(s.repo.name, d)); err != nil {
			return err
		}
	}
	return nil
}

// manifest reads a manifest, from the trash if its blob went there.
func (r *Run) manifest(d storage.Digest) (*storage.Manifest, error) {
	m, err := r.store.Manifest(d)
	if !errors.Is(err, storage.ErrManifestMissing) || r.opts.DryRun {
		return m, err
	}
	for _, run := range r.trash.runs {
		found := errors.New("found")
		var at inTrash
		_, _, searched := r.trash.journal(run, func(_ string, it item) error {
			if it.kind == kindBlob && it.digest == d {
				at = inTrash{run.name, it.number}
				return found
			}
			return nil
		})
		if !errors.Is(searched, found) {
			continue
		}
		if ok, err := r.putBack(at, storage.BlobPath(d)); err != nil || ok {
			if err != nil {
				return nil, err
			}
			return r.store.Manifest(d)
		}
	}
	return m, err
}

// putBack restores one thing from the trash of an earlier run, if it is there.
func (r *Run) putBack(at inTrash, to string) (bool, error) {
	m := storage.NewMover(r.store)
	defer m.Close()
	err := r.trash.restore(m, trashPath(at.run, at.number), to)
	switch {
	case gone(err), isExist(err):
		return false, nil
	case err != nil:
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.PutBack++
	return true, nil
}

// heal puts back blobs that are needed and lie in the trash.
func (r *Run) heal() error {
	if r.opts.DryRun {
		return nil
	}
	for _, run := range r.trash.runs {
		_, _, err := r.trash.journal(run, func(_ string, it item) error {
			if it.kind != kindBlob || !r.used.has(it.digest) && !r.pinned(it.digest) {
				return nil
			}
			if _, err := r.store.Stat(it.digest); !gone(err) {
				return err
			}
			ok, err := r.putBack(inTrash{run.name, it.number}, storage.BlobPath(it.digest))
			if ok {
				r.result.Blobs.Total++
				r.result.Blobs.Kept++
				r.result.Bytes.Kept += it.size
			}
			return err
		})
		if err != nil && !errors.Is(err, errJournal) {
			return err
		}
	}
	return nil
}
