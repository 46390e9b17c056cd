package users

import (
	"fmt"

	"github.com/regctl/regctl/pkg/advice"
)

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
