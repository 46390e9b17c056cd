package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/pattern"
)

// withRights puts a rights file beside the user file.
func (s Store) withRights(t *testing.T, content string) Store {
	t.Helper()
	if err := os.WriteFile(s.RightsPath(), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// rights reads the file as lines of "NAME: RIGHTS".
func (s Store) rightsText(t *testing.T) string {
	t.Helper()
	rights, err := s.Rights()
	if errors.Is(err, fs.ErrNotExist) {
		return "missing"
	}
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range []string{"a", "b", "n"} {
		if r, ok := rights[name]; ok {
			lines = append(lines, name+": "+r.String())
		}
		delete(rights, name)
	}
	if len(rights) > 0 {
		t.Errorf("others have rights: %v", rights)
	}
	return strings.Join(lines, "; ")
}

const rightsOfA = `{"version":1,"users":{"a":{"pull":["x"],"push":["x","y"]},"n":{"admin":true}}}`

func TestRightsInTheStore(t *testing.T) {
	ctx := context.Background()
	team := Rights{Pull: []string{"team/**"}}
	plus := func(more Rights) func(Rights) (Rights, error) {
		return func(r Rights) (Rights, error) { return r.Plus(more), nil }
	}
	minus := func(less Rights) func(Rights) (Rights, error) {
		return func(r Rights) (Rights, error) { return r.Minus(less) }
	}
	change := func(name string, edit func(Rights) (Rights, error)) func(Store) error {
		return func(s Store) error { _, _, err := s.ChangeRights(ctx, name, edit); return err }
	}
	for name, tc := range map[string]struct {
		rights string // the file before; "" is none
		do     func(Store) error
		want   string // the rights after it
		users  string // who is in the user file after it, of a and b
		err    error
	}{
		"add": {`{"version":1,"users":{"a":{"pull":["x"]}}}`, func(s Store) error { _, err := s.Add(ctx, "n", hashN, team); return err },
			"a: pull x; n: pull team/**", "a b n", nil},
		"add where others' rights are left": {rightsOfA, func(s Store) error { _, err := s.Add(ctx, "n", hashN, team); return err },
			"a: pull x, push x y; n: pull team/**", "a b n", nil},
		"add without rights": {rightsOfA, func(s Store) error { _, err := s.Add(ctx, "n", hashN, Rights{}); return err },
			"a: pull x, push x y; n: no rights", "a b n", nil},
		"add without a file": {"", func(s Store) error { _, err := s.Add(ctx, "n", hashN, team); return err },
			"a: pull **, push **; b: pull **, push **; n: pull team/**", "a b n", nil},
		"add who is there": {rightsOfA, func(s Store) error { _, err := s.Add(ctx, "a", hashN, DefaultRights()); return err },
			"a: pull x, push x y; n: admin", "a b", ErrExists},
		"add with a bad pattern": {rightsOfA, func(s Store) error { _, err := s.Add(ctx, "n", hashN, Rights{Pull: []string{"X"}}); return err },
			"a: pull x, push x y; n: admin", "a b", &InputError{}},
		"add with a bad hash": {rightsOfA, func(s Store) error { _, err := s.Add(ctx, "n", "x", team); return err },
			"a: pull x, push x y; n: admin", "a b", &InputError{}},
		"remove": {rightsOfA, func(s Store) error { _, err := s.Remove(ctx, "a"); return err },
			"n: admin", "b", nil},
		"remove who has no rights": {rightsOfA, func(s Store) error { _, err := s.Remove(ctx, "b"); return err },
			"a: pull x, push x y; n: admin", "a", nil},
		"remove what is left": {rightsOfA, func(s Store) error { _, err := s.Remove(ctx, "n"); return err },
			"a: pull x, push x y", "a b", nil},
		"remove without a file": {"", func(s Store) error { _, err := s.Remove(ctx, "a"); return err },
			"missing", "b", nil},
		"grant": {rightsOfA, change("a", plus(team)),
			"a: pull x team/**, push x y; n: admin", "a b", nil},
		"grant to who has none": {rightsOfA, change("b", plus(team)),
			"a: pull x, push x y; b: pull team/**; n: admin", "a b", nil},
		"grant without a file": {"", change("b", plus(team)),
			"a: pull **, push **; b: pull ** team/**, push **", "a b", nil},
		"grant to nobody": {rightsOfA, change("n", plus(team)),
			"a: pull x, push x y; n: admin", "a b", ErrNotFound},
		"grant a bad pattern": {rightsOfA, change("a", plus(Rights{Pull: []string{"X"}})),
			"a: pull x, push x y; n: admin", "a b", &InputError{}},
		"revoke": {rightsOfA, change("a", minus(Rights{Push: []string{"x"}})),
			"a: pull x, push y; n: admin", "a b", nil},
		"revoke what is not there": {rightsOfA, change("a", minus(Rights{Push: []string{"z"}})),
			"a: pull x, push x y; n: admin", "a b", &NotGrantedError{}},
		"ensure": {"", func(s Store) error { _, err := s.EnsureRights(ctx); return err },
			"a: pull **, push **; b: pull **, push **", "a b", nil},
		"ensure what is there": {rightsOfA, func(s Store) error { _, err := s.EnsureRights(ctx); return err },
			"a: pull x, push x y; n: admin", "a b", nil},
	} {
		s := storeWith(t, "a:"+hashA+"\nb:"+hashA+"\n")
		if tc.rights != "" {
			s.withRights(t, tc.rights)
		}
		err := tc.do(s)
		switch tc.err.(type) {
		case nil:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case *InputError:
			if _, ok := errors.AsType[*InputError](err); !ok {
				t.Errorf("%s: %v, want an InputError", name, err)
			}
		case *NotGrantedError:
			if _, ok := errors.AsType[*NotGrantedError](err); !ok {
				t.Errorf("%s: %v, want a NotGrantedError", name, err)
			}
		default:
			if !errors.Is(err, tc.err) || advice.Of(err) == "" {
				t.Errorf("%s: %v (hint %q), want %v", name, err, advice.Of(err), tc.err)
			}
		}
		if got := s.rightsText(t); got != tc.want {
			t.Errorf("%s: rights %s\nwant %s", name, got, tc.want)
		}
		list, _, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, u := range list {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != tc.users {
			t.Errorf("%s: users %s, want %s", name, got, tc.users)
		}
	}
}

func TestRightsFileMode(t *testing.T) {
	s := testStore(t)
	if _, err := s.Add(t.Context(), "a", hashA, DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if got := perm(t, s.RightsPath()); got != 0o644 {
		t.Errorf("mode %v: Nginx's workers cannot read it", got)
	}
}

// A change that changes nothing must not make the front door read anew.
func TestNoChangeWritesNothing(t *testing.T) {
	s := storeWith(t, "a:"+hashA+"\n").withRights(t, rightsOfA)
	before, err := os.Stat(s.RightsPath())
	if err != nil {
		t.Fatal(err)
	}
	was, is, err := s.ChangeRights(t.Context(), "a", func(r Rights) (Rights, error) { return r.Plus(Rights{Pull: []string{"x"}}), nil })
	if err != nil || !was.Equal(is) || is.String() != "pull x, push x y" {
		t.Errorf("%s, %s, %v", was, is, err)
	}
	if written, err := s.EnsureRights(t.Context()); written || err != nil {
		t.Errorf("EnsureRights() = %v, %v", written, err)
	}
	was, is, err = s.PlanRights("a", func(r Rights) (Rights, error) { return r.Minus(Rights{Pull: []string{"x"}}) })
	if err != nil || was.String() != "pull x, push x y" || is.String() != "push x y" {
		t.Errorf("PlanRights() = %s, %s, %v", was, is, err)
	}
	if after, err := os.Stat(s.RightsPath()); err != nil || !os.SameFile(before, after) {
		t.Errorf("written anew: %v", err)
	}
}

// What somebody broke by hand is never overwritten, and does not keep a user
// from being removed or from getting another password.
func TestNonsenseInTheRightsFile(t *testing.T) {
	const nonsense = "{\"version\": 1,\n\"users\": {\"a\": {\"pull\": \"**\"}, \"Bob\": {}}}\n"
	for name, do := range map[string]func(Store) error{
		"add": func(s Store) error { _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); return err },
		"change": func(s Store) error {
			_, _, err := s.ChangeRights(t.Context(), "a", func(Rights) (Rights, error) { return Rights{}, nil })
			return err
		},
		"ensure": func(s Store) error { _, err := s.EnsureRights(t.Context()); return err },
		"read":   func(s Store) error { _, err := s.Rights(); return err },
		"remove": func(s Store) error {
			f, err := s.Remove(t.Context(), "b")
			if f == nil || strings.Contains(s.content(t), "b:") {
				t.Errorf("the user is still there: %v", err)
			}
			return err
		},
	} {
		s := storeWith(t, "a:"+hashA+"\nb:"+hashA+"\n").withRights(t, nonsense)
		err := do(s)
		invalid, ok := errors.AsType[*RightsError](err)
		if !ok || invalid.Path != s.RightsPath() || len(invalid.Faults) != 2 || advice.Of(err) == "" {
			t.Errorf("%s: %v (hint %q)", name, err, advice.Of(err))
		}
		if data, err := os.ReadFile(s.RightsPath()); err != nil || string(data) != nonsense {
			t.Errorf("%s: the file became %q, %v", name, data, err)
		}
		if users := s.content(t); name != "remove" && users != "a:"+hashA+"\nb:"+hashA+"\n" {
			t.Errorf("%s: the user file became %q", name, users)
		}
	}
	s := storeWith(t, "a:"+hashA+"\n").withRights(t, nonsense)
	if _, err := s.SetHash(t.Context(), "a", hashN); err != nil {
		t.Errorf("another password: %v", err)
	}
	if _, err := s.Remove(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("remove nobody: %v", err)
	}
}

func TestRightsFileIsALink(t *testing.T) {
	s := storeWith(t, "a:"+hashA+"\n")
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte(rightsOfA), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, s.RightsPath()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); err == nil || !strings.Contains(err.Error(), s.RightsPath()) {
		t.Errorf("Add: %v", err)
	}
	if fi, err := os.Lstat(s.RightsPath()); err != nil || fi.Mode().Type() != fs.ModeSymlink || s.content(t) != "a:"+hashA+"\n" {
		t.Errorf("something was changed: %v, %q", err, s.content(t))
	}
}

// Users whom the front door would not let in, by their name, cannot be in the
// file either.
func TestOddNamesGetNoRights(t *testing.T) {
	s := storeWith(t, "Bob:"+hashA+"\na:"+hashA+"\n")
	if written, err := s.EnsureRights(t.Context()); !written || err != nil {
		t.Fatal(written, err)
	}
	if got := s.rightsText(t); got != "a: pull **, push **" {
		t.Error(got)
	}
	if _, _, err := s.ChangeRights(t.Context(), "Bob", func(r Rights) (Rights, error) { return DefaultRights(), nil }); err == nil {
		t.Error("Bob has rights")
	}
}

func TestRightsFileTooLarge(t *testing.T) {
	s := storeWith(t, "a:"+hashA+"\n")
	huge := Rights{}
	for range maxRights/pattern.Max + 1 {
		huge.Pull = append(huge.Pull, strings.Repeat("a", pattern.Max))
	}
	if _, err := s.Add(t.Context(), "n", hashN, huge); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("Add: %v", err)
	}
	if got := s.rightsText(t); got != "missing" || s.content(t) != "a:"+hashA+"\n" {
		t.Errorf("something was written: %s", got)
	}
}

// At no instant has somebody a password and other rights than those meant. The
// observers read the two files in the order in which a wrong one would show.
func TestOrderOfTheTwoFiles(t *testing.T) {
	const n = 100
	left := RightsFile{}
	for i := range n {
		left[fmt.Sprint("u", i)] = Rights{Admin: true}
	}
	meant := Rights{Pull: []string{"x"}}
	s := storeWith(t, "").withRights(t, string(left.Marshal()))

	looks := observe(t, func() {
		list, _, err := s.List()
		rights, err2 := s.Rights()
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
		for _, u := range list {
			if r := rights[u.Name]; !r.Equal(meant) {
				t.Errorf("%s is in with %s", u.Name, r)
			}
		}
	}, func() {
		for name := range left {
			if _, err := s.Add(t.Context(), name, hashN, meant); err != nil {
				t.Error(err)
			}
		}
	})
	looks = min(looks, observe(t, func() {
		rights, err := s.Rights()
		list, _, err2 := s.List()
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
		for _, u := range list {
			if _, ok := rights[u.Name]; !ok {
				t.Errorf("%s is in without rights", u.Name)
			}
		}
	}, func() {
		for name := range left {
			if _, err := s.Remove(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
	}))
	if looks < n {
		t.Errorf("%d looks prove nothing", looks)
	}
}

// observe looks again and again while something is done, and counts.
func observe(t *testing.T, look, do func()) (looks int) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for !t.Failed() {
			select {
			case <-stop:
				return
			default:
				look()
				looks++
			}
		}
	}()
	do()
	close(stop)
	<-done
	return looks
}

// When the user file cannot be written, the rights go back.
func TestAddIsTakenBack(t *testing.T) {
	big := "#" + strings.Repeat("x", 50000) + "\n"
	s := storeWith(t, strings.Repeat(big, 20)).withRights(t, rightsOfA)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), addEnv+"="+strings.Join([]string{"n", s.Path, s.LockPath}, "\n"), limitEnv+"=500000")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "too large") {
		t.Fatalf("the user was added: %v, %s", err, out)
	}
	if got := s.rightsText(t); got != "a: pull x, push x y" {
		t.Errorf("rights: %s", got)
	}
}
