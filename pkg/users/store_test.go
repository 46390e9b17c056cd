package users

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/lock"
)

// testStore is a store in an empty directory.
func testStore(t *testing.T) Store {
	t.Helper()
	dir := t.TempDir()
	return Store{Path: filepath.Join(dir, "htpasswd"), LockPath: filepath.Join(dir, "lock")}
}

// storeWith is a store whose file has that content.
func storeWith(t *testing.T, content string) Store {
	t.Helper()
	s := testStore(t)
	if err := os.WriteFile(s.Path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s Store) content(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestStore(t *testing.T) {
	const start = "# c\na:" + hashA + "\nb:x\n"
	for name, tc := range map[string]struct {
		do   func(context.Context, Store) (*File, error)
		want string // content after it
		err  error  // nil, a sentinel or an *InputError
		hint string
	}{
		"add": {func(ctx context.Context, s Store) (*File, error) { return s.Add(ctx, "n", hashN, DefaultRights()) },
			start + "n:" + hashN + "\n", nil, ""},
		"add who is there": {func(ctx context.Context, s Store) (*File, error) { return s.Add(ctx, "a", hashN, DefaultRights()) },
			start, ErrExists, "regctl user passwd a"},
		"add a bad name": {func(ctx context.Context, s Store) (*File, error) { return s.Add(ctx, "N:", hashN, DefaultRights()) },
			start, &InputError{}, ""},
		"add a bad hash": {func(ctx context.Context, s Store) (*File, error) { return s.Add(ctx, "n", "plain", DefaultRights()) },
			start, &InputError{}, ""},
		"set": {func(ctx context.Context, s Store) (*File, error) { return s.SetHash(ctx, "b", hashN) },
			"# c\na:" + hashA + "\nb:" + hashN + "\n", nil, ""},
		"set nobody": {func(ctx context.Context, s Store) (*File, error) { return s.SetHash(ctx, "n", hashN) },
			start, ErrNotFound, "regctl user ls"},
		"set a bad hash": {func(ctx context.Context, s Store) (*File, error) { return s.SetHash(ctx, "a", "\n") },
			start, &InputError{}, ""},
		"remove": {func(ctx context.Context, s Store) (*File, error) { return s.Remove(ctx, "a") },
			"# c\nb:x\n", nil, ""},
		"remove nobody": {func(ctx context.Context, s Store) (*File, error) { return s.Remove(ctx, "n") },
			start, ErrNotFound, "regctl user ls"},
	} {
		s := storeWith(t, start)
		f, err := tc.do(t.Context(), s)
		if got := s.content(t); got != tc.want {
			t.Errorf("%s: the file is %q, want %q", name, got, tc.want)
		}
		switch tc.err.(type) {
		case nil:
			if err != nil || string(f.Bytes()) != tc.want {
				t.Errorf("%s: returned %v, %v", name, f, err)
			}
		case *InputError:
			if _, ok := errors.AsType[*InputError](err); !ok || f != nil {
				t.Errorf("%s: %v, want an InputError", name, err)
			}
		default:
			if !errors.Is(err, tc.err) || f != nil || advice.Of(err) != tc.hint {
				t.Errorf("%s: %v (hint %q), want %v (hint %q)", name, err, advice.Of(err), tc.err, tc.hint)
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q is not one line", name, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	s := testStore(t)
	if _, err := s.Remove(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Remove: %v", err)
	}
	if _, err := s.SetHash(t.Context(), "a", hashA); !errors.Is(err, ErrNotFound) {
		t.Errorf("SetHash: %v", err)
	}
	if _, _, err := s.List(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("List: %v", err)
	}
	if _, err := s.Verify("a", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := os.Stat(s.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("one of them made the file: %v", err)
	}
	if _, err := s.Add(t.Context(), "a", hashA, DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if got := s.content(t); got != "a:"+hashA+"\n" {
		t.Errorf("the new file is %q", got)
	}
}

// A registry that starts without the file invents a user, so it has to stay.
func TestLastUserRemovedLeavesTheFile(t *testing.T) {
	s := storeWith(t, "a:"+hashA+"\n")
	f, err := s.Remove(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Users()); n != 0 {
		t.Errorf("%d users left", n)
	}
	if got := s.content(t); got != "" {
		t.Errorf("the file is %q", got)
	}
}

func TestCorruptFile(t *testing.T) {
	good := mustHash(t, "secret")
	s := storeWith(t, "a:"+good+"\ngarbage\x00\nb:"+good)
	users, faults, err := s.List()
	if err != nil || len(users) != 2 || len(faults) != 1 || faults[0].Line != 2 || !faults[0].Fatal {
		t.Fatalf("List() = %v, %v, %v", users, faults, err)
	}
	for _, name := range []string{"a", "b"} {
		if ok, err := s.Verify(name, []byte("secret")); !ok || err != nil {
			t.Errorf("Verify(%s) = %v, %v", name, ok, err)
		}
	}
	f, err := s.Add(t.Context(), "n", hashN, DefaultRights())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.content(t), "a:"+good+"\ngarbage\x00\nb:"+good+"\nn:"+hashN+"\n"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	if !fatal(f) {
		t.Error("Add does not tell that the registry will not read it")
	}
}

func TestNotAPlainFile(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"link": func(path string) error {
			target := filepath.Join(t.TempDir(), "target")
			if err := os.WriteFile(target, []byte("a:"+hashA+"\n"), 0o600); err != nil {
				return err
			}
			return os.Symlink(target, path)
		},
		"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		s := testStore(t)
		if err := place(s.Path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); err == nil || !strings.Contains(err.Error(), s.Path) || advice.Of(err) == "" {
			t.Errorf("%s: Add: %v (hint %q)", name, err, advice.Of(err))
		}
		if _, _, err := s.List(); err == nil {
			t.Errorf("%s: List reads it", name)
		}
		if after, err := os.Lstat(s.Path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: replaced", name)
		}
	}
}

func TestLockHeld(t *testing.T) {
	s := storeWith(t, "a:"+hashA+"\n")
	s.Wait = time.Millisecond
	l, err := lock.Acquire(t.Context(), s.LockPath, "regctl gc", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	_, err = s.Add(t.Context(), "n", hashN, DefaultRights())
	if held, ok := errors.AsType[*lock.HeldError](err); !ok || held.Holder.Command != "regctl gc" {
		t.Errorf("Add: %v, want a HeldError that names the holder", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Remove(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Remove when cancelled: %v", err)
	}
	if got := s.content(t); got != "a:"+hashA+"\n" {
		t.Errorf("changed without the lock: %q", got)
	}
	if users, _, err := s.List(); len(users) != 1 || err != nil {
		t.Errorf("List() = %v, %v: reading needs no lock", users, err)
	}
	if ok, err := s.Verify("a", []byte("x")); ok || err != nil {
		t.Errorf("Verify() = %v, %v", ok, err)
	}
}

func TestCancelledChangesNothing(t *testing.T) {
	s := storeWith(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Add(ctx, "n", hashN, DefaultRights()); !errors.Is(err, context.Canceled) || s.content(t) != "" {
		t.Errorf("Add: %v, the file is %q", err, s.content(t))
	}
}

// The registry reads the file again only when its time is another one.
func TestEachChangeHasItsOwnTime(t *testing.T) {
	s := testStore(t)
	seen := map[time.Time]bool{}
	for range 20 {
		if _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetHash(t.Context(), "n", hashA); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Remove(t.Context(), "n"); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		if seen[fi.ModTime()] {
			t.Fatal("two contents with one time")
		}
		seen[fi.ModTime()] = true
	}
}
