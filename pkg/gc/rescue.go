package gc

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/storage"
)

// rescues serialises what takes things out of the plan: that is rare.
type rescues struct {
	mu   sync.Mutex
	seen map[rescueKey]bool
	m    *storage.Mover
	errs []error
	n    int
}

type rescueKey struct {
	repo int32
	d    storage.Digest
}

func (r *Run) rescue(f func()) {
	r.rescues.mu.Lock()
	defer r.rescues.mu.Unlock()
	if r.rescues.seen == nil {
		r.rescues.seen = map[rescueKey]bool{}
		r.rescues.m = storage.NewMover(r.store)
	}
	f()
}

// keepAgain keeps an item that was written again, and what it needs.
func (r *Run) keepAgain(it *item) {
	r.keepItem(it)
	switch it.kind {
	case kindRevision:
		r.keepManifest(it.repo, it.digest)
	case kindLayer:
		r.keepUse(it.repo, it.digest)
	case kindTag:
		// It may name something else now, whose link was written too.
		if r.find(kindRevision, it.repo, it.digest) != nil {
			r.keepManifest(it.repo, it.digest)
		}
	}
}

// keepManifest keeps a manifest with all that it keeps, as decide does. One that
// cannot be read keeps everything that its repository has.
func (r *Run) keepManifest(repo int32, d storage.Digest) {
	key := rescueKey{repo, d}
	if r.rescues.seen[key] {
		return
	}
	r.rescues.seen[key] = true
	if it := r.find(kindRevision, repo, d); it != nil {
		r.keepItem(it)
	}
	r.keepUse(repo, d)
	rp := r.repos[repo]
	m, err := r.store.Manifest(d)
	switch {
	case errors.Is(err, storage.ErrManifestMissing), errors.Is(err, storage.ErrManifestUnknown), errors.Is(err, storage.ErrTooLarge):
		if err := r.isRevision(rp.name, d); err != nil {
			r.keepRepository(repo)
		}
		return
	case err != nil:
		r.keepRepository(repo)
		return
	}
	for b := range m.Blobs() {
		r.keepUse(repo, b.Digest)
	}
	for _, c := range m.Manifests {
		// One that stays anyway keeps what it needs.
		if _, known := slices.BinarySearchFunc(rp.known, c.Digest, storage.Digest.Compare); known && r.find(kindRevision, repo, c.Digest) == nil {
			continue
		}
		r.keepManifest(repo, c.Digest)
	}
	for _, about := range rp.subjects[d] {
		r.keepManifest(repo, about)
	}
}

var errRevision = errors.New("it is a manifest of the repository")

// isRevision returns an error if the repository has the manifest, or may have.
func (r *Run) isRevision(repository string, d storage.Digest) error {
	_, err := r.store.Lstat(storage.RevisionPath(repository, d) + "/link")
	if err == nil {
		return errRevision
	}
	return ignoreGone(err)
}

// keepUse keeps a layer's link in a repository and its blob.
func (r *Run) keepUse(repo int32, d storage.Digest) {
	if it := r.find(kindLayer, repo, d); it != nil {
		r.keepItem(it)
	}
	if it := r.find(kindBlob, 0, d); it != nil {
		r.keepItem(it)
	}
	if target, ok := r.repos[repo].aliases[d]; ok {
		r.keepUse(repo, target)
	}
}

// keepRepository keeps everything of a repository.
func (r *Run) keepRepository(repo int32) {
	for _, k := range []kind{kindRevision, kindLayer, kindTag} {
		list := r.items[k]
		for i := range list {
			if list[i].repo == repo {
				r.keepItem(&list[i])
				r.keepUse(repo, list[i].digest)
			}
		}
	}
}

// keepItem takes an item out of the plan, or puts it back.
func (r *Run) keepItem(it *item) {
	switch atomic.LoadUint32(&it.state) {
	case planned, watched:
		it.become(dropped)
	case moved:
		err := r.trash.restore(r.rescues.m, trashPath(r.name, it.number), r.where(it))
		if err != nil && !gone(err) && !isExist(err) {
			r.rescues.errs = append(r.rescues.errs, err)
			return
		}
		if dir, _ := splitPath(r.where(it)); err == nil {
			r.rescues.errs = appendError(r.rescues.errs, durable.SyncDir(r.abs(dir)))
		}
		it.become(back)
		r.rescues.n++
	}
}
