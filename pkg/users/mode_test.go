package users

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// No file in the directory, temporary ones included, is open to others at any
// instant, not even under the most generous umask and when the old file was.
// (The rights file is open to others; what changes a password does not write it.)
func TestModeAtEveryInstant(t *testing.T) {
	s := storeWith(t, "# c\nfirst:"+hashA+"\n")
	if _, err := s.SetHash(t.Context(), "first", hashN); err != nil { // makes the lock's file
		t.Fatal(err)
	}
	defer syscall.Umask(syscall.Umask(0))
	stop, done := make(chan struct{}), make(chan struct{})
	temporary := make(chan struct{}, 1) // told when one was met
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			entries, err := os.ReadDir(filepath.Dir(s.Path))
			if err != nil {
				t.Error(err)
				return
			}
			for _, e := range entries {
				fi, err := e.Info()
				if err != nil {
					continue // renamed meanwhile
				}
				if fi.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s was %v", e.Name(), fi.Mode())
					return
				}
				if strings.HasPrefix(e.Name(), durable.TempPrefix) {
					select {
					case temporary <- struct{}{}:
					default:
					}
				}
			}
		}
	}()
	deadline, met := time.Now().Add(time.Minute), 0
	for i := 0; (met < 20 || i < 200) && !t.Failed(); i++ {
		if time.Now().After(deadline) {
			t.Error("the watcher hardly met a temporary file: it proves nothing")
			break
		}
		if _, err := s.SetHash(t.Context(), "first", hashN); err != nil {
			t.Error(err)
			break
		}
		select {
		case <-temporary:
			met++
		default:
		}
	}
	close(stop)
	<-done
	if got := perm(t, s.Path); got != 0o600 {
		t.Errorf("the file is %v, want 0600", got)
	}
}

func TestModeIsTightened(t *testing.T) {
	s := storeWith(t, "")
	if err := os.Chmod(s.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if got := perm(t, s.Path); got != 0o600 {
		t.Errorf("the file is %v, want 0600", got)
	}
}

// What root's cron job edits must stay readable for the owner.
func TestOwnerIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("run the tests as root: only root can edit another user's file")
		}
		t.Skip("NOT TESTED: only root can edit another user's file")
	}
	const uid, gid = 1000, 1001
	s := storeWith(t, "a:"+hashA+"\n")
	if err := os.Chown(s.Path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), "n", hashN, DefaultRights()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	if st.Uid != uid || st.Gid != gid || fi.Mode().Perm() != 0o600 {
		t.Errorf("owner %d:%d, mode %v, want %d:%d, 0600", st.Uid, st.Gid, fi.Mode(), uid, gid)
	}
}

func perm(t *testing.T, path string) os.FileMode {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode().Perm()
}
