package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
)

// RightsPath is the rights file, beside the user file.
func (s Store) RightsPath() string { return filepath.Join(filepath.Dir(s.Path), RightsName) }

// Rights reads the rights file. It takes no lock. A file that is missing is an
// error (fs.ErrNotExist): the front door then gives nobody any right.
func (s Store) Rights() (RightsFile, error) {
	data, err := readPlain(s.RightsPath())
	if err != nil {
		return nil, err
	}
	rights, err := ParseRights(data)
	if invalid, ok := errors.AsType[*RightsError](err); ok {
		invalid.Path = s.RightsPath()
		return nil, advice.With(invalid, "mend the file in an editor: until then the front door goes by the rights it read last; "+
			"without the file, regctl up writes one that lets every user pull and push")
	}
	return rights, err
}

// ChangeRights edits what one user may do, and returns the rights before and
// after. Where edit changes nothing the file is left as it is. It returns
// ErrNotFound, the error of edit, or an *InputError for rights that the file
// cannot hold. edit gets no rights (the zero Rights) for a user without any, and
// must not change the lists it gets: see [Rights.Plus] and [Rights.Minus].
func (s Store) ChangeRights(ctx context.Context, name string, edit func(Rights) (Rights, error)) (before, after Rights, err error) {
	err = s.locked(ctx, "user grant", func() error {
		var all RightsFile
		if all, before, after, err = s.plan(name, edit); err != nil || after.Equal(before) {
			return err
		}
		all[name] = after
		return s.writeRights(all)
	})
	if err != nil {
		return Rights{}, Rights{}, err
	}
	return before, after, nil
}

// PlanRights is [Store.ChangeRights] without the change. It takes no lock.
func (s Store) PlanRights(name string, edit func(Rights) (Rights, error)) (before, after Rights, err error) {
	_, before, after, err = s.plan(name, edit)
	return before, after, err
}

func (s Store) plan(name string, edit func(Rights) (Rights, error)) (all RightsFile, before, after Rights, err error) {
	fail := func(err error) (RightsFile, Rights, Rights, error) { return nil, Rights{}, Rights{}, err }
	f, err := s.readOrBegin()
	if err != nil {
		return fail(err)
	}
	if _, ok := f.Lookup(name); !ok {
		return fail(notFound(name))
	}
	if err := CheckName(name); err != nil {
		return fail(err)
	}
	if all, err = s.rightsOf(f); err != nil {
		return fail(err)
	}
	before = all[name]
	if after, err = edit(before); err == nil {
		err = after.Check()
	}
	if err != nil {
		return fail(err)
	}
	return all, before, after, nil
}

// EnsureRights writes a rights file if there is none, and tells whether it did:
// each user then has the [DefaultRights]. One that is there has to be
// well-formed, else a *RightsError is returned.
func (s Store) EnsureRights(ctx context.Context) (written bool, err error) {
	err = s.locked(ctx, "up", func() error {
		if _, err := s.Rights(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f, err := s.readOrBegin()
		if err != nil {
			return err
		}
		written = true
		return s.writeRights(defaultRights(f))
	})
	return written && err == nil, err
}

// rightsOf reads the rights file for a change. Where there is none, each user
// has the default rights, as [Store.EnsureRights] would write them: a file with
// the changed user alone would take the others' rights away.
func (s Store) rightsOf(f *File) (RightsFile, error) {
	rights, err := s.Rights()
	if errors.Is(err, fs.ErrNotExist) {
		return defaultRights(f), nil
	}
	return rights, err
}

// defaultRights gives each user of f the default rights. Who has a name that the
// front door does not let in is left out.
func defaultRights(f *File) RightsFile {
	rights := RightsFile{}
	for _, u := range f.Users() {
		if CheckName(u.Name) == nil {
			rights[u.Name] = DefaultRights()
		}
	}
	return rights
}

func (s Store) writeRights(rights RightsFile) error {
	data := rights.Marshal()
	if len(data) > maxRights {
		return fmt.Errorf("%s %s", s.RightsPath(), tooLarge(len(data)))
	}
	return durable.WriteFile(s.RightsPath(), data, rightsMode)
}
