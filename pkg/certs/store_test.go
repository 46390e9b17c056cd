package certs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/regctl/regctl/pkg/advice"
)

const host = "reg.example.com"

func newStore(t testing.TB) Store {
	t.Helper()
	return Store{filepath.Join(t.TempDir(), "certs")}
}

func TestInstallLayout(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // exact modes whatever the umask
	s, p := newStore(t), goodPair(t, host)
	mustInstall(t, s, host, p, true)
	want := []string{
		"archive/", "archive/reg.example.com/", "archive/reg.example.com/1/",
		"archive/reg.example.com/1/cert.pem", "archive/reg.example.com/1/chain.pem",
		"archive/reg.example.com/1/fullchain.pem", "archive/reg.example.com/1/privkey.pem",
		"live/", "live/reg.example.com -> ../archive/reg.example.com/1",
	}
	if got := tree(t, s.Dir); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, mode := range map[string]fs.FileMode{
		".": 0o755, "archive": 0o755, "archive/reg.example.com": 0o755, "archive/reg.example.com/1": 0o755, "live": 0o755,
		"live/reg.example.com/fullchain.pem": 0o644, "live/reg.example.com/cert.pem": 0o644,
		"live/reg.example.com/chain.pem": 0o644, "live/reg.example.com/privkey.pem": 0o600,
	} {
		fi, err := os.Stat(filepath.Join(s.Dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != mode {
			t.Errorf("%s has mode %04o, want %04o", path, fi.Mode().Perm(), mode)
		}
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(s.LiveDir(host), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if read(certFile)+read(chainFile) != read(fullchainFile) || read(fullchainFile) != string(p.Fullchain) || read(keyFile) != string(p.Key) {
		t.Error("the files do not hold the pair")
	}
	live, leaf, err := s.Live(host)
	if err != nil {
		t.Fatal(err)
	}
	if string(live.Fullchain) != string(p.Fullchain) || string(live.Key) != string(p.Key) || !slices.Equal(leaf.Names, []string{host}) {
		t.Errorf("Live returned another pair, for %q", leaf.Names)
	}
}

func TestInstallSamePairAgain(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	mustInstall(t, s, host, p, true)
	before := tree(t, s.Dir)
	if has, err := s.Has(host, p); err != nil || !has {
		t.Errorf("Has = %t, %v", has, err)
	}
	mustInstall(t, s, host, p, false)
	// The same with what files from elsewhere carry besides.
	noisy := Pair{[]byte("comment\n" + string(p.Fullchain) + string(p.Key)), []byte("Bag Attributes\n" + string(p.Key))}
	mustInstall(t, s, host, noisy, false)
	if after := tree(t, s.Dir); !slices.Equal(before, after) {
		t.Errorf("got %q, was %q", after, before)
	}
	other := goodPair(t, host)
	if has, err := s.Has(host, other); err != nil || has {
		t.Errorf("Has of another pair = %t, %v", has, err)
	}
	mustInstall(t, s, host, other, true)
	if target, err := os.Readlink(s.LiveDir(host)); err != nil || target != "../archive/reg.example.com/2" {
		t.Errorf("live is %q, %v", target, err)
	}
	// Going back is a change too.
	mustInstall(t, s, host, p, true)
}

// fullchain.pem is readable by all: the key must not get into it.
func TestInstallTakesNoKeyIntoTheCertificate(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	mustInstall(t, s, host, Pair{append(slices.Clone(p.Key), p.Fullchain...), p.Key}, true)
	for _, name := range []string{fullchainFile, certFile, chainFile} {
		data, err := os.ReadFile(filepath.Join(s.LiveDir(host), name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "PRIVATE") {
			t.Errorf("%s holds a private key", name)
		}
	}
}

func TestInstallRefusesBadPairs(t *testing.T) {
	s, p, q := newStore(t), goodPair(t, host), goodPair(t, host)
	mustInstall(t, s, host, p, true)
	before := tree(t, s.Dir)
	_, err := s.Install(host, Pair{p.Fullchain, q.Key})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !invalid.Has(KeyMismatch) {
		t.Errorf("Install of a mismatched pair = %v", err)
	}
	if _, err := s.Has(host, Pair{p.Fullchain, q.Key}); !errors.As(err, &invalid) {
		t.Errorf("Has of a mismatched pair = %v", err)
	}
	if after := tree(t, s.Dir); !slices.Equal(before, after) {
		t.Errorf("got %q, was %q", after, before)
	}
}

func TestNames(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	for _, name := range []string{host, "localhost", "a_b", "127.0.0.1", "::1", "2001:db8::7", strings.Repeat("a", 253)} {
		mustInstall(t, s, name, p, true)
		if _, _, err := s.Live(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "../x", "a/b", "/etc", ".hidden", "-rf", "*.example.com", "a:b", "fe80::1%eth0", "fe80::1%../../x",
		"a b", "a\nb", "a\x00b", "A.example.com", "ü.example.com", strings.Repeat("a", 254),
	} {
		if _, err := s.Install(name, p); err == nil {
			t.Errorf("Install took the name %q", name)
		}
		if _, _, err := s.Live(name); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("Live(%q) = %v", name, err)
		}
	}
	if _, err := s.Install("a/b", p); err == nil || err.Error() != `"a/b" is neither a host name in lower case nor an IP address` {
		t.Errorf("got %v", err)
	}
}

func TestLiveErrors(t *testing.T) {
	s, p := newStore(t), goodPair(t, host)
	if _, _, err := s.Live(host); !errors.Is(err, ErrNone) || err.Error() != "reg.example.com: no certificate yet" {
		t.Errorf("with nothing there: %v", err)
	}
	mustInstall(t, s, host, p, true)
	key := filepath.Join(s.LiveDir(host), keyFile)
	if err := os.WriteFile(key, goodPair(t, host).Key, 0o600); err != nil {
		t.Fatal(err)
	}
	var invalid *InvalidError
	if _, _, err := s.Live(host); !errors.As(err, &invalid) || !invalid.Has(KeyMismatch) {
		t.Errorf("with another key: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Live(host); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNone) {
		t.Errorf("without a key: %v", err)
	}
	if err := os.RemoveAll(s.archiveDir(host)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Live(host); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNone) {
		t.Errorf("with a link to nothing: %v", err)
	}
	mustInstall(t, s, host, p, true) // and heals
	if _, _, err := s.Live(host); err != nil {
		t.Error(err)
	}
}

func TestInstallDoesNotReplaceADirectory(t *testing.T) {
	s := newStore(t)
	if err := os.MkdirAll(s.LiveDir(host), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := s.Install(host, goodPair(t, host))
	if err == nil || err.Error() != s.LiveDir(host)+" exists and is not a symbolic link" || advice.Of(err) != "move it away, then run regctl up" {
		t.Errorf("got %v, advice %q", err, advice.Of(err))
	}
	if got := tree(t, s.Dir); !slices.Equal(got, []string{"live/", "live/reg.example.com/"}) {
		t.Errorf("something was written: %q", got)
	}
}

func TestPruneKeepsThreeAndTheLiveOne(t *testing.T) {
	s := newStore(t)
	numbers := func() []int {
		t.Helper()
		all, err := s.numbers(host)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for range 6 {
		mustInstall(t, s, host, goodPair(t, host), true)
	}
	if got := numbers(); !slices.Equal(got, []int{4, 5, 6}) {
		t.Errorf("after six: %d", got)
	}
	// Someone went back to an older pair by hand, and then could not tell why it vanished.
	if err := s.swap(host, "4"); err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(s.archiveDir(host), "007")
	if err := os.Mkdir(stranger, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.prune(host); err != nil {
		t.Fatal(err)
	}
	if got := numbers(); !slices.Equal(got, []int{4, 5, 6}) {
		t.Errorf("the live pair was pruned: %d", got)
	}
	mustInstall(t, s, host, goodPair(t, host), true)
	mustInstall(t, s, host, goodPair(t, host), true)
	if got := numbers(); !slices.Equal(got, []int{6, 7, 8}) {
		t.Errorf("later: %d", got)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("what is not a pair was removed: %v", err)
	}
}

func TestFilesFollowTheOwner(t *testing.T) {
	root := t.TempDir()
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // else what a user makes is the user's, which is the same claim
		uid, gid = 1234, 1235
		if err := os.Chown(root, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	l := LocalCA{Store{filepath.Join(root, "certs")}, filepath.Join(root, "private")}
	if _, err := l.Ensure([]string{"localhost"}, now); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err // its owner means nothing: who owns the directory may replace it
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		seen++
		if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", p, st.Uid, st.Gid, uid, gid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 13 {
		t.Errorf("looked at %d files and directories, want 13", seen)
	}
}
