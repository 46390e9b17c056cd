package users

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// htpasswd runs Apache's htpasswd with a password on its standard input and
// returns its exit status and output.
func htpasswd(t *testing.T, password string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command("htpasswd", args...)
	cmd.Stdin = strings.NewReader(password)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("this test needs Apache's htpasswd (apt-get install apache2-utils): %v", err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

var interopPasswords = []string{
	"secret", "-dash", "with : colon and 'quotes' \"$x\" \\", "ünïcödé", strings.Repeat("x", MaxPassword), Generate(),
}

func TestApacheVerifiesOurs(t *testing.T) {
	const wrongPassword = 3 // htpasswd's exit status
	s := testStore(t)
	for i, password := range interopPasswords {
		name := "user" + string(rune('a'+i))
		if _, err := s.Add(t.Context(), name, mustHash(t, password), DefaultRights()); err != nil {
			t.Fatal(err)
		}
		if code, out := htpasswd(t, password, "-vi", s.Path, name); code != 0 {
			t.Errorf("htpasswd -v refuses %q: %d, %s", password, code, out)
		}
		if code, out := htpasswd(t, "~"+password[1:], "-vi", s.Path, name); code != wrongPassword {
			t.Errorf("htpasswd -v with a wrong password: %d, %s", code, out)
		}
	}
}

func TestWeVerifyApaches(t *testing.T) {
	s := testStore(t)
	const mine = "# kept by hand\n"
	if err := os.WriteFile(s.Path, []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, password := range interopPasswords {
		name := "user" + string(rune('a'+i))
		if code, out := htpasswd(t, password, "-Bi", "-C", "4", s.Path, name); code != 0 {
			t.Fatalf("htpasswd -B: %d, %s", code, out)
		}
		if ok, err := s.Verify(name, []byte(password)); !ok || err != nil {
			t.Errorf("we refuse %q as htpasswd -B hashed it: %v", password, err)
		}
		if ok, err := s.Verify(name, []byte("wrong")); ok || err != nil {
			t.Errorf("a wrong password: %v, %v", ok, err)
		}
	}
	users, faults, err := s.List()
	if err != nil || len(faults) > 0 || len(users) != len(interopPasswords) {
		t.Fatalf("List() = %v, %v, %v", users, faults, err)
	}
	for _, u := range users {
		if u.Scheme != Bcrypt || u.Cost != 4 {
			t.Errorf("%v, want bcrypt of cost 4", u)
		}
	}
}

// Both edit one file in turn, and each leaves the other's lines alone.
func TestApacheAndWeEditOneFile(t *testing.T) {
	s := testStore(t)
	if _, err := s.Add(t.Context(), "ours", mustHash(t, "one"), DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if code, out := htpasswd(t, "two", "-Bi", s.Path, "theirs"); code != 0 {
		t.Fatal(out)
	}
	if _, err := s.SetHash(t.Context(), "theirs", mustHash(t, "three")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), "more", mustHash(t, "four"), DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if code, out := htpasswd(t, "", "-D", s.Path, "more"); code != 0 {
		t.Fatal(out)
	}
	for name, password := range map[string]string{"ours": "one", "theirs": "three"} {
		if code, out := htpasswd(t, password, "-vi", s.Path, name); code != 0 {
			t.Errorf("%s: %s", name, out)
		}
		if ok, err := s.Verify(name, []byte(password)); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if users, _, err := s.List(); len(users) != 2 || err != nil {
		t.Errorf("List() = %v, %v", users, err)
	}
}

// Every scheme that htpasswd writes is named as what it is.
func TestSchemesAsApacheWritesThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"-B": Bcrypt, "-m": APR1, "-s": SHA1, "-d": Crypt, "-2": Crypt, "-5": Crypt, "-p": Unknown} {
		if code, out := htpasswd(t, "s3cret!", "-i", flag, path, "user"); code != 0 {
			t.Fatalf("htpasswd %s: %s", flag, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := Parse(data).Lookup("user"); !ok || u.Scheme != want {
			t.Errorf("htpasswd %s: %v, want %s", flag, u, want)
		}
	}
}
