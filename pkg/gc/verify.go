package gc

import (
	"errors"
	"slices"

	"github.com/regctl/regctl/pkg/storage"
)

// verify looks, after writes go on, at what was written around the sweep, and
// puts back what that needs.
func (r *Run) verify() error {
	if err := r.trash.change("verify", ""); err != nil {
		return err
	}
	touched := map[int32]bool{}
	for _, k := range []kind{kindRevision, kindLayer, kindTag} {
		for i := range r.items[k] {
			if it := &r.items[k][i]; it.is(moved) {
				touched[it.repo] = true
			}
		}
	}
	if err := r.newRepositories(); err != nil {
		return err
	}
	if err := r.recheckRepos(touched); err != nil {
		return err
	}
	if err := r.recheckTags(touched); err != nil {
		return err
	}
	if err := r.recheckTrash(); err != nil {
		return err
	}
	r.progress(Progress{Phase: PhaseVerify, Done: int64(len(r.repos)), Total: int64(len(r.repos))})
	return errors.Join(r.rescues.errs...)
}

// recheckTags looks whether a tag that was put somewhere since the scan names
// what was taken.
func (r *Run) recheckTags(touched map[int32]bool) error {
	repos := make([]int32, 0, len(touched))
	for i := range touched {
		repos = append(repos, i)
	}
	slices.Sort(repos)
	return storage.Each(r.workers, len(repos), func(n int) error {
		i := repos[n]
		repo, err := r.store.Repository(r.repos[i].name, nil)
		if err != nil {
			return ignoreGone(err)
		}
		defer repo.Close()
		recent, err := repo.RecentTags(r.repos[i].first.Add(-coarse))
		if err != nil {
			return err
		}
		for _, name := range recent {
			t, err := repo.Tag(name)
			if err != nil {
				return err
			}
			if r.took(kindRevision, i, t.Digest) {
				r.rescue(func() { r.keepManifest(i, t.Digest) })
			}
		}
		return nil
	})
}

// recheckTrash looks whether a link was written while its directory moved.
func (r *Run) recheckTrash() error {
	for _, k := range []kind{kindBlob, kindRevision, kindLayer} {
		list := r.items[k]
		const part = 256
		err := storage.Each(r.workers, (len(list)+part-1)/part, func(p int) error {
			m := storage.NewMover(r.store)
			defer m.Close()
			for i := p * part; i < min(len(list), (p+1)*part); i++ {
				it := &list[i]
				if !it.is(moved) || k == kindBlob && !it.husk {
					continue
				}
				dir, name := splitPath(trashPath(r.name, it.number))
				info, err := m.Lstat(dir, name+"/"+it.file())
				same := err == nil && !it.husk && info.ModTime.UnixNano() == it.modified && info.Changed.UnixNano() == it.changed ||
					gone(err) && it.husk
				if err != nil && !gone(err) {
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

// finish says that the run came to its end.
func (r *Run) finish() error {
	r.account()
	items := 0
	var bytes int64
	for _, list := range r.items {
		for i := range list {
			if list[i].is(moved) {
				items++
				bytes += list[i].size
			}
		}
	}
	run := &trashRun{name: r.name, began: r.began, doneRecord: doneRecord{items, bytes}}
	r.trash.runs = append(r.trash.runs, run)
	if items == 0 {
		return r.trash.remove(run)
	}
	if err := r.trash.write(r.name, doneName, run.doneRecord); err != nil {
		return err
	}
	run.done = true
	r.result.Run = r.name
	if r.opts.KeepTrash == 0 {
		_, bytes, err := r.trash.purge(r.now, 0, r.progress)
		r.result.Purged += bytes
		return err
	}
	return nil
}

// account corrects the result by what was kept after all.
func (r *Run) account() {
	r.result.PutBack += r.rescues.n
	for k, list := range r.items {
		for i := range list {
			it := &list[i]
			if it.is(planned) || it.is(moved) || it.husk {
				continue
			}
			switch k {
			case kindBlob:
				r.result.Blobs.Kept++
				r.result.Blobs.Deleted--
				r.result.Bytes.Kept += it.size
				r.result.Bytes.Freed -= it.size
			case kindRevision:
				r.result.Manifests.Kept++
				r.result.Manifests.Deleted--
			case kindTag:
				r.result.Tags.Kept++
				r.result.Tags.Deleted--
			}
		}
	}
	r.count()
}
