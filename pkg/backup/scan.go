package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/regctl/regctl/pkg/storage"
)

// scanned is what a repository had at a moment.
type scanned struct {
	name     string
	owner    Ownership
	links    []entry
	tags     int
	blobs    []storage.Digest // what the links need
	dropped  []Dropped
	problems []storage.Problem
}

// A repository in which something is missing is read again after a while, until the
// same was missing so many times in a row, and so often at most: what is only being
// written or deleted is another each time.
const (
	rereads     = 40
	steady      = 6
	rereadAfter = 100 * time.Millisecond
)

// scan reads a repository until what it read is whole, or is damaged the same way
// each time. gone is true for one that was deleted meanwhile.
func scan(ctx context.Context, s *storage.Store, name string) (out *scanned, gone bool, err error) {
	var lost map[string]storage.Problem
	seen := map[string]storage.Digest{}
	alike := 0 // looks in a row
	for look := 0; ; look++ {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		next, holes, err := scanOnce(s, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("repository %s: %w", name, err)
		}
		now := map[string]bool{}
		for _, e := range next.links {
			if e.kind == tagLink {
				now[e.tag] = true
				seen[e.tag] = e.digest
			}
		}
		if alike++; !same(lost, holes) {
			alike = 1
		}
		if len(holes) == 0 || look == rereads || alike == steady {
			for _, p := range holes {
				if p.ID != storage.ChildMissing { // which is legal
					next.problems = append(next.problems, p)
				}
			}
			for tag, d := range seen {
				if !now[tag] {
					next.dropped = append(next.dropped, Dropped{name, tag, d})
				}
			}
			return next, false, nil
		}
		lost = holes
		select {
		case <-ctx.Done():
		case <-time.After(rereadAfter):
		}
	}
}

func same(a, b map[string]storage.Problem) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return true
}

// scanOnce reads a repository: tags, then revisions, then layers, since they were
// written in the other order. holes are what is missing for a reason that a
// deletion in between would explain.
func scanOnce(s *storage.Store, name string) (out *scanned, holes map[string]storage.Problem, err error) {
	out = &scanned{name: name}
	holes = map[string]storage.Problem{}
	r, err := s.Repository(name, func(p storage.Problem) {
		if !storage.Temporary(lastPart(p.Path)) {
			out.problems = append(out.problems, p)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	info, err := s.Lstat(storage.RepositoryPath(name))
	if err != nil {
		return nil, nil, err
	}
	out.owner = Ownership{info.UID, info.GID, info.Mode.Perm() &^ 0o111, info.Mode.Perm()}
	if err := r.Check(); err != nil {
		return nil, nil, err
	}
	tags, err := r.Tags()
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tags {
		if t.Fault != "" {
			out.fault(holes, t.Fault, storage.TagLinkPath(name, t.Name), t.Err)
		}
		history, err := r.HistoryOf(t)
		if err != nil {
			return nil, nil, err
		}
		for _, l := range history {
			if l.Fault == "" {
				out.links = append(out.links, entry{historyLink, l.ModTime, t.Name, l.Digest, l.Target})
			} else if l.Fault != storage.LinkMissing {
				out.fault(holes, l.Fault, storage.HistoryPath(name, t.Name, l.Digest)+"/link", l.Err)
			}
		}
	}
	revisions, err := r.Revisions()
	if err != nil {
		return nil, nil, err
	}
	has := make(map[storage.Digest]bool, len(revisions))
	for _, l := range revisions {
		switch l.Fault {
		case "":
			has[l.Digest] = true
			out.links = append(out.links, entry{revisionLink, l.ModTime, "", l.Digest, l.Target})
			out.blobs = append(out.blobs, l.Digest)
		case storage.LinkMissing: // how a registry deletes
		default:
			out.fault(holes, l.Fault, storage.RevisionPath(name, l.Digest)+"/link", l.Err)
		}
	}
	layers := make(map[storage.Digest]bool, 2*len(revisions))
	err = r.Layers(false, func(l storage.Link) error {
		switch l.Fault {
		case "":
			layers[l.Digest] = true
			out.links = append(out.links, entry{layerLink, l.ModTime, "", l.Digest, l.Target})
			out.blobs = append(out.blobs, l.Target)
		case storage.LinkMissing:
		default:
			out.fault(holes, l.Fault, storage.LayerPath(name, l.Digest)+"/link", l.Err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tags {
		if t.Fault != "" {
			continue
		}
		if !has[t.Digest] {
			path := storage.TagLinkPath(name, t.Name)
			holes["tag "+t.Name] = storage.Problem{ID: storage.RevisionMissing, Repository: name, Digest: t.Digest, Path: path,
				Message: "the tag names a manifest that the repository does not have"}
		}
		out.tags++
		out.links = append(out.links, entry{tagLink, t.Pushed, t.Name, t.Digest, t.Digest})
	}
	for d := range has {
		out.closure(s, d, has, layers, holes)
	}
	return out, holes, nil
}

// closure looks whether the repository links what a manifest names. A manifest that
// cannot be read is told of when its blob is copied.
func (o *scanned) closure(s *storage.Store, d storage.Digest, has, layers map[storage.Digest]bool, holes map[string]storage.Problem) {
	m, err := s.Manifest(d)
	if err != nil {
		return
	}
	for _, c := range m.Manifests {
		if !has[c.Digest] {
			holes["child "+c.Digest.String()] = storage.Problem{ID: storage.ChildMissing}
		}
	}
	for b := range m.Blobs() {
		if b.External || layers[b.Digest] {
			continue
		}
		holes["layer "+b.Digest.String()] = storage.Problem{ID: LayerUnlinked, Repository: o.name, Digest: b.Digest,
			Path: storage.RevisionPath(o.name, d), Message: "a manifest names a layer that the repository does not link"}
	}
}

// fault is about a link that cannot be read. One that is being written or deleted
// looks the same, for a moment.
func (o *scanned) fault(holes map[string]storage.Problem, f storage.Fault, path string, err error) {
	text := f.Text() + "; the link is not in the backup"
	if err != nil {
		text += ": " + err.Error()
	}
	holes[string(f)+" "+path] = storage.Problem{ID: string(f), Repository: o.name, Path: path, Message: text}
}

func lastPart(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}
