package storage

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Repositories returns the names of all repositories, sorted, and what lies
// among them that is none. A directory is a repository when it has any of
// _manifests, _layers and _uploads; repositories nest. A directory that cannot
// be read is an error: what is not seen must not be taken for garbage.
func (s *Store) Repositories(ctx context.Context) (names []string, unknown []Problem, err error) {
	top, err := s.v2.open("repositories")
	if absent(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer top.close()
	err = top.repositories(ctx, "", &names, &unknown)
	slices.Sort(names)
	return names, unknown, err
}

func (d *dir) repositories(ctx context.Context, name string, names *[]string, unknown *[]Problem) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var below []string
	is := false
	err := d.each(func(entry string, typ fs.FileMode) error {
		switch {
		case typ.IsDir() && (entry == manifestsDir || entry == layersDir || entry == uploadsDir) && name != "":
			is = true
		case typ.IsDir() && component.MatchString(entry) && len(name)+1+len(entry) <= 255:
			below = append(below, entry)
		default:
			*unknown = append(*unknown, unknownEntry("", join(d.path, entry), typ))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if is {
		*names = append(*names, name)
	}
	for _, entry := range below {
		sub, err := d.open(entry)
		if absent(err) {
			continue
		}
		if err != nil {
			return err
		}
		err = sub.repositories(ctx, strings.TrimPrefix(name+"/"+entry, "/"), names, unknown)
		sub.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func unknownEntry(repository, path string, typ fs.FileMode) Problem {
	what := "file"
	switch {
	case typ.IsDir():
		what = "directory"
	case typ&fs.ModeSymlink != 0:
		what = "symbolic link"
	case !typ.IsRegular():
		what = "special file"
	}
	return Problem{ID: UnknownEntry, Repository: repository, Path: path, Message: fmt.Sprintf("a %s that no registry makes; left alone", what)}
}

// Repository is an open repository.
type Repository struct {
	Name string
	d    *dir
	// unknown is told of entries that no registry makes.
	unknown func(Problem)
}

// Repository opens a repository. What unknown, which may be nil, is told of is
// found by the other methods on their way. It is called from one goroutine at a
// time for each method under way.
func (s *Store) Repository(name string, unknown func(Problem)) (*Repository, error) {
	if !ValidRepository(name) {
		return nil, fmt.Errorf("not a repository's name: %q", abridged(name))
	}
	d, err := s.v2.open("repositories/" + name)
	if err != nil {
		return nil, err
	}
	if unknown == nil {
		unknown = func(Problem) {}
	}
	return &Repository{name, d, unknown}, nil
}

// Close closes it.
func (r *Repository) Close() { r.d.close() }

func (r *Repository) report(path string, typ fs.FileMode) {
	r.unknown(unknownEntry(r.Name, path, typ))
}

// Check reports the entries of the repository's own directories that no registry
// makes; those below _layers, _manifests/revisions, _manifests/tags and _uploads
// are found when these are read.
func (r *Repository) Check() error {
	for _, at := range []struct {
		dir   string
		known []string
	}{
		{"", nil},
		{manifestsDir, []string{"revisions", "tags"}},
	} {
		d := r.d
		if at.dir != "" {
			var err error
			if d, err = r.d.open(at.dir); absent(err) {
				continue
			} else if err != nil {
				return err
			}
		}
		err := d.each(func(name string, typ fs.FileMode) error {
			if at.dir != "" && !(typ.IsDir() && slices.Contains(at.known, name)) {
				r.report(join(d.path, name), typ)
			}
			return nil
		})
		if d != r.d {
			d.close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// State tells whether anything was added to a directory or taken from it: two
// that are equal and older than the file system's clock is coarse mean no. (What
// is written into a file below does not show.)
type State struct {
	modified, changed int64
	links, inode      uint64
}

// Modified is when the directory changed last, in nanoseconds since 1970; 0 when
// it does not exist.
func (s State) Modified() int64 { return max(s.modified, s.changed) }

// DirStates are the states of the directories in which a repository's manifests,
// tags and layers get their entries.
type DirStates struct {
	Revisions, Layers [2]State // by algorithm
	Tags              State
}

// States reads them.
func (r *Repository) States() (out DirStates, err error) {
	for i, alg := range Algorithms() {
		if out.Revisions[i], err = r.state(revisionsDir + "/" + alg.String()); err != nil {
			return out, err
		}
		if out.Layers[i], err = r.state(layersDir + "/" + alg.String()); err != nil {
			return out, err
		}
	}
	out.Tags, err = r.state(tagsDir)
	return out, err
}

func (r *Repository) state(rel string) (State, error) {
	i, err := r.d.stat(rel)
	if absent(err) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	return State{i.ModTime.UnixNano(), i.Changed.UnixNano(), i.links, i.inode}, nil
}
