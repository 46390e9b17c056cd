package acme

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Nginx's worker is another user: the umask must not lock it out.
func TestAnswersAreReadableWhateverTheUmask(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	w := Webroot{filepath.Join(t.TempDir(), "acme")}
	if err := w.Put("token", "answer"); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]fs.FileMode{w.challengeDir(): 0o755, filepath.Dir(w.challengeDir()): 0o755, filepath.Join(w.challengeDir(), "token"): 0o644} {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, fi, err)
		}
	}
}

func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := Webroot{filepath.Join(dir, "acme")}
	for _, token := range []string{"", "..", "../../x", "a/b", "a.b", "a b", "a\x00b", "ä", strings.Repeat("a", 257)} {
		if err := w.Put(token, "x"); err == nil {
			t.Errorf("%q was taken", token)
		}
		if err := w.Remove(token); err != nil {
			t.Errorf("%q: %v", token, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("got %v, %v", entries, err)
	}
}

func TestSweepTakesOnlyAnswers(t *testing.T) {
	t.Parallel()
	w := Webroot{t.TempDir()}
	if err := w.Sweep(); err != nil {
		t.Fatal(err)
	}
	if err := w.Put("token", "answer"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", ".regctl-tmp-01"} {
		if err := os.WriteFile(filepath.Join(w.challengeDir(), name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(w.challengeDir())
	if err != nil || len(entries) != 1 || entries[0].Name() != "index.html" {
		t.Errorf("got %v, %v", entries, err)
	}
}

// killedAt, set in the environment, makes this test binary the process that
// TestKilledAtEachRequest kills: its value is the directory URL, the webroot and
// the accounts' directory.
const killedAt = "REGCTL_TEST_KILLED_ACME"

// A process that obtains a certificate is killed at each of its requests; the
// next one succeeds, with one account in all, and sweeps what was left.
func TestKilledAtEachRequest(t *testing.T) {
	if os.Getenv(killedAt) != "" {
		obtainForTheKill(t)
		return
	}
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	certFile := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(certFile, pemOf(p.Certificate().Raw), 0o644); err != nil {
		t.Fatal(err)
	}
	left := 0
	for n := int32(1); ; n++ {
		i := p.issuer(t)
		var seen atomic.Int32
		var child *os.Process
		ready := make(chan struct{})
		p.on(func(w http.ResponseWriter, r *http.Request) bool {
			if seen.Add(1) == n {
				<-ready
				child.Kill()
				return false // the CA goes on
			}
			return false
		})
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtEachRequest$")
		cmd.Env = append(os.Environ(), killedAt+"="+strings.Join([]string{i.Directory, p.web, i.Accounts.Dir, certFile}, "|"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		child = cmd.Process
		close(ready)
		finished := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			finished = finished || lines.Text() == "obtained"
		}
		err = cmd.Wait()
		if finished {
			if n < 8 {
				t.Fatalf("a certificate after %d requests", n)
			}
			break
		}
		if err == nil {
			t.Fatal("the child ended by itself")
		}
		left += len(p.left(t))
		p.on(nil)
		if err := keysArePrivate(i.Accounts.Dir); err != nil {
			t.Errorf("killed at request %d: %v", n, err)
		}
		mustObtain(t, i, oneName)
		if l := p.left(t); len(l) > 0 {
			t.Errorf("killed at request %d: left behind: %v", n, l)
		}
	}
	if left == 0 {
		t.Error("no kill has left an answer behind: they were not spread over the whole run")
	}
}

func obtainForTheKill(t *testing.T) {
	f := strings.Split(os.Getenv(killedAt), "|")
	roots, err := rootsOf(f[3])
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{Directory: f[0], Roots: roots, Webroot: &Webroot{f[1]}, Accounts: Accounts{f[2]}, AgreeTOS: true, Agent: "regctl/test"}
	if _, err := i.Obtain(t.Context(), oneName); err != nil {
		t.Fatal(err)
	}
	fmt.Println("obtained")
}

// keysArePrivate looks whether anybody else could read a file below dir.
func keysArePrivate(dir string) error {
	fi, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %v, %w", dir, fi.Mode(), err)
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it has just gone
		}
		if fi, err := d.Info(); err == nil && fi.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s has mode %v", path, fi.Mode())
		}
		return nil
	})
}

// A watcher that looks all the time never sees a key that others could read.
func TestKeysArePrivateAtEveryInstant(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	stop, bad := make(chan struct{}), make(chan error, 1)
	looks := 0
	go func() {
		for {
			looks++
			if err := keysArePrivate(i.Accounts.Dir); err != nil {
				bad <- err
				return
			}
			select {
			case <-stop:
				bad <- nil
				return
			default:
			}
		}
	}()
	mustObtain(t, i, oneName)
	time.Sleep(time.Millisecond)
	close(stop)
	if err := <-bad; err != nil {
		t.Error(err)
	}
	t.Logf("looked %d times", looks)
}

// What cannot be written is told, and no order is made for nothing: without its
// account's key on disk nothing is registered.
func TestNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	p := newPebble(t, pebbleOptions{})
	i := p.issuer(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	i.Accounts = Accounts{filepath.Join(file, "acme")}
	if _, err := i.Obtain(t.Context(), oneName); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v", err)
	}
	if n := p.count("sign-me-up"); n != 0 {
		t.Errorf("%d registrations", n)
	}
	i = p.issuer(t)
	i.Webroot = &Webroot{filepath.Join(file, "acme")}
	if _, err := i.Obtain(t.Context(), oneName); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v", err)
	}
}
