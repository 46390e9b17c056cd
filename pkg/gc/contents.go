package gc

import (
	"io/fs"

	"github.com/regctl/regctl/pkg/storage"
)

// checkContent takes a directory out of the plan that holds something which is
// not known.
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
