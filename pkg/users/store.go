package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/durable"
	"github.com/regctl/regctl/pkg/lock"
)

var (
	// ErrExists says that there is a user of that name already.
	ErrExists = errors.New("user exists already")
	// ErrNotFound says that there is no user of that name.
	ErrNotFound = errors.New("no such user")
)

// DefaultWait is how long a change waits for the lock unless told otherwise.
// Each holder needs milliseconds, so many at once get through.
const DefaultWait = 30 * time.Second

// mode of the user file: the hashes are for the owner alone. The registry has to
// run as the owner, or as a root that may read what is not its own.
const mode = 0o600

// Store is the user file of a deployment and, beside it, the rights file.
//
// Its changes (Add, SetHash, Remove, ChangeRights, EnsureRights) take the lock,
// read the files again, and replace each by a rename. Those of the user file
// return it as it then is: look at its [Fault.Fatal] faults, for with one of
// those the registry has not taken the change in, and at its Users, of whom none
// may be left. They return a *lock.HeldError when the lock cannot be had in time,
// and a *RightsError when they need a rights file that is not well-formed.
//
// A change of both files is two renames, ordered so that a kill between them
// leaves nobody with more than was meant: who is added has the rights before the
// password, who is removed loses the password first.
type Store struct {
	Path     string        // the htpasswd file; its directory must exist
	LockPath string        // the lock's file; the caller must not hold that lock
	Wait     time.Duration // for the lock; 0 is DefaultWait
}

// Add adds a user with a hash from [Hash]. A user file that does not exist is
// begun; rights that are left of an earlier user of that name are replaced. It
// returns ErrExists, or an *InputError for a bad name, hash or pattern.
func (s Store) Add(ctx context.Context, name, hash string, rights Rights) (f *File, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := rights.Check(); err != nil {
		return nil, err
	}
	err = s.locked(ctx, "user add "+name, func() error {
		if f, err = s.readOrBegin(); err != nil {
			return err
		}
		if _, ok := f.Lookup(name); ok {
			return advice.With(fmt.Errorf("%w: %s", ErrExists, name), "regctl user passwd %s", name)
		}
		before, err := s.rightsOf(f)
		if err != nil {
			return err
		}
		if err := f.Set(name, hash); err != nil {
			return err
		}
		after := maps.Clone(before)
		after[name] = rights
		if err := s.writeRights(after); err != nil {
			return err
		}
		if err := s.write(f); err != nil {
			delete(before, name) // not even what was left of an earlier user
			return errors.Join(err, s.writeRights(before))
		}
		return nil
	})
	return given(f, err)
}

// SetHash gives a user another hash, from [Hash]. It returns ErrNotFound, or an
// *InputError for a bad hash.
func (s Store) SetHash(ctx context.Context, name, hash string) (*File, error) {
	return s.change(ctx, "user passwd", func(f *File) error {
		if _, ok := f.Lookup(name); !ok {
			return notFound(name)
		}
		return f.Set(name, hash)
	})
}

// Remove removes a user, also the last one: the registry then lets nobody in. It
// returns ErrNotFound when there is neither a user of that name nor rights that
// are left of one.
//
// A rights file that is not well-formed does not keep a user from being removed:
// Remove then returns the file and the *RightsError.
func (s Store) Remove(ctx context.Context, name string) (f *File, err error) {
	var left error // a *RightsError
	err = s.locked(ctx, "user rm", func() error {
		if f, err = s.readOrBegin(); err != nil {
			return err
		}
		rights, err := s.Rights()
		if _, invalid := errors.AsType[*RightsError](err); invalid {
			left = err
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, hasRights := rights[name]
		isUser := f.Remove(name)
		if !isUser && !hasRights {
			return notFound(name)
		}
		if isUser {
			if err := s.write(f); err != nil {
				return err
			}
		}
		if !hasRights {
			return nil
		}
		delete(rights, name)
		return s.writeRights(rights)
	})
	if err == nil && left != nil {
		return f, left
	}
	return given(f, err)
}

// given returns f, or nil with an error.
func given(f *File, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func notFound(name string) error {
	return advice.With(fmt.Errorf("%w: %q", ErrNotFound, name), "regctl user ls")
}

// List returns the users and what is wrong with the file. It takes no lock. A
// file that is missing is an error (fs.ErrNotExist), not an empty list: on its
// next start the registry would make one with a user of its own.
func (s Store) List() ([]User, []Fault, error) {
	f, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	return f.Users(), f.Faults(), nil
}

// change edits the user file under the lock. command goes into the lock's file.
func (s Store) change(ctx context.Context, command string, edit func(*File) error) (f *File, err error) {
	err = s.locked(ctx, command, func() error {
		if f, err = s.readOrBegin(); err != nil {
			return err
		}
		if err := edit(f); err != nil {
			return err
		}
		return s.write(f)
	})
	return given(f, err)
}

// locked does something under the lock. command goes into the lock's file.
func (s Store) locked(ctx context.Context, command string, do func() error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	wait := s.Wait
	if wait == 0 {
		wait = DefaultWait
	}
	l, err := lock.Acquire(ctx, s.LockPath, "regctl "+command, wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	return do()
}

func (s Store) write(f *File) error { return durable.WriteFile(s.Path, f.Bytes(), mode) }

// readOrBegin reads the user file; one that is missing is an empty one.
func (s Store) readOrBegin() (*File, error) {
	f, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	return f, err
}

func (s Store) read() (*File, error) {
	data, err := readPlain(s.Path)
	if err != nil {
		return nil, err
	}
	return Parse(data), nil
}
