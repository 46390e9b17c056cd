package users

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
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

// Store is the user file of a deployment.
//
// Its changes (Add, SetHash, Remove) take the lock, read the file again, and
// replace it by a rename. They return the file as it then is: look at its
// [Fault.Fatal] faults, for with one of those the registry has not taken the
// change in, and at its Users, of whom none may be left. They return a
// *lock.HeldError when the lock cannot be had in time.
type Store struct {
	Path     string        // the htpasswd file; its directory must exist
	LockPath string        // the lock's file; the caller must not hold that lock
	Wait     time.Duration // for the lock; 0 is DefaultWait
}

// UnusableError says that a user's hash is not one that the registry can use.
type UnusableError struct {
	User User
}

func (e *UnusableError) Error() string {
	switch e.User.Scheme {
	case Bcrypt:
		return fmt.Sprintf("user %q has a bcrypt hash of cost %d: the registry would take about %s to check it",
			e.User.Name, e.User.Cost, checkTime(e.User.Cost))
	case Unknown:
		return fmt.Sprintf("user %q in line %d has no hash that the registry can use", e.User.Name, e.User.Line)
	}
	return fmt.Sprintf("user %q in line %d has a hash of type %s, and the registry can use bcrypt only",
		e.User.Name, e.User.Line, e.User.Scheme)
}

// Add adds a user with a hash from [Hash]. A file that does not exist is begun.
// It returns ErrExists, or an *InputError for a bad name or hash.
func (s Store) Add(ctx context.Context, name, hash string) (*File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return s.change(ctx, "user add "+name, func(f *File) error {
		if _, ok := f.Lookup(name); ok {
			return advice.With(fmt.Errorf("%w: %s", ErrExists, name), "regctl user passwd %s", name)
		}
		return f.Set(name, hash)
	})
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
// returns ErrNotFound.
func (s Store) Remove(ctx context.Context, name string) (*File, error) {
	return s.change(ctx, "user rm", func(f *File) error {
		if !f.Remove(name) {
			return notFound(name)
		}
		return nil
	})
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

// Verify tells whether the registry would let name in with password, as far as
// the file goes; like the registry it looks at the first [MaxPassword] bytes
// only. For a name that is not in the file it takes as long as for most that
// are. It returns an *UnusableError when the registry cannot check the user's
// hash, or not in any reasonable time.
func (s Store) Verify(name string, password []byte) (bool, error) {
	f, err := s.read()
	if err != nil {
		return false, err
	}
	i := f.index(name)
	if i < 0 {
		_, err := compare(dummy(f.usualCost()), password)
		return false, err
	}
	if u := f.user(i); u.Scheme != Bcrypt || u.Cost > slowestCost {
		return false, advice.With(&UnusableError{u}, "regctl user passwd %s", name)
	}
	return compare(f.lines[i].hash, password)
}

// usualCost is the commonest bcrypt cost in the file, of equally common ones the
// highest, and MinHumanCost in a file without any.
func (f *File) usualCost() int {
	var count [slowestCost + 1]int
	usual := MinHumanCost
	for _, u := range f.Users() {
		if u.Scheme == Bcrypt && u.Cost <= slowestCost {
			count[u.Cost]++
		}
	}
	for cost, n := range count {
		if n > 0 && n >= count[usual] {
			usual = cost
		}
	}
	return usual
}

// change edits the file under the lock. command goes into the lock's file.
func (s Store) change(ctx context.Context, command string, edit func(*File) error) (f *File, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wait := s.Wait
	if wait == 0 {
		wait = DefaultWait
	}
	l, err := lock.Acquire(ctx, s.LockPath, "regctl "+command, wait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Release()) }()
	f, err = s.read()
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &File{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := edit(f); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(s.Path, f.Bytes(), mode); err != nil {
		return nil, err
	}
	return f, nil
}

// read reads the file. It refuses what is not a plain file: the registry sees
// nothing but the file's own directory, so a symbolic link is dead there, and
// following one as root would read whatever it points to. A pipe must not make
// it wait, hence O_NONBLOCK.
func (s Store) read() (*File, error) {
	notPlain := func() error {
		return advice.With(fmt.Errorf("%s is not a plain file", s.Path), "put the user file itself there, not a link to it")
	}
	file, err := os.OpenFile(s.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, notPlain()
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, notPlain()
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return Parse(data), nil
}
