package gc

import (
	"io/fs"

	"github.com/regctl/regctl/pkg/storage"
)

// checkContents takes out of the plan the directories that hold something which
// is not known. Those of layers and histories, most of which go when nobody waits
// any more, are looked into as they go.
func (r *Run) checkContents() error {
	for _, k := range []kind{kindBlob, kindRevision} {
		list := r.items[k]
		const part = 256
		err := storage.Each(r.workers, (len(list)+part-1)/part, func(p int) error {
			m := storage.NewMover(r.store)
			defer m.Close()
			for i := p * part; i < min(len(list), (p+1)*part); i++ {
				if err := r.checkContent(m, &list[i]); err != nil {
					return err
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

func (r *Run) checkContent(m *storage.Mover, it *item) error {
	where := r.where(it)
	dir, name := splitPath(where)
	strange := ""
	err := m.List(dir, name, func(entry string, typ fs.FileMode) {
		switch {
		case typ.IsRegular() && (entry == it.file() || storage.Temporary(entry)):
		case it.kind == kindRevision && entry == "signatures" && typ.IsDir():
		default:
			strange = entry
		}
	})
	if gone(err) {
		it.become(dropped)
		return nil
	}
	if err != nil || strange == "" {
		return err
	}
	r.mu.Lock()
	r.result.Problems = append(r.result.Problems, Problem{storage.Problem{ID: storage.UnknownEntry, Repository: r.repoName(it),
		Digest: it.digest, Path: where + "/" + strange, Message: "no registry makes this; left alone, and what it lies with stays"}, false})
	r.mu.Unlock()
	r.rescue(func() { r.keepAgain(it) })
	return nil
}
