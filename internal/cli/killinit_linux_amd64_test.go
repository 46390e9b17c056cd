package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/regctl/regctl/pkg/compose"
)

// init is killed before a change that it makes to a directory, one run each.
// Whatever instant it was, the next init has to end with the same deployment as
// one that was never disturbed.
func TestInitKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	clean := filepath.Join(root, "clean")
	mustRun(t, "init", clean, "--domain", "localhost")
	want := names(t, clean)
	n := 1
	for ; ; n += stride() {
		dir := filepath.Join(root, fmt.Sprint(n))
		killed := runKilled(t, n, "init", dir, "--domain", "localhost")
		out := mustRun(t, "init", dir, "--domain", "localhost")
		// Killed in the last instant it was done, but for saying so.
		if told := strings.Contains(out, "regctl user passwd admin -C "+dir+" makes another"); told {
			mustRun(t, "render", "-C", dir) // as any command that takes the lock
		} else if killed && !strings.Contains(out, "  password  ") {
			t.Errorf("killed before change %d, then again: no password is shown\n%s", n, out)
		}
		if got := names(t, dir); got != want {
			t.Errorf("killed before change %d, then again: there are\n%swant\n%s", n, got, want)
		}
		if !killed {
			break
		}
		os.RemoveAll(dir)
	}
	if n < 30 {
		t.Errorf("init makes %d changes only: they are not seen", n)
	}
}

// Ctrl-C takes everything back, or comes too late: then all is there.
func TestInitInterrupted(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	undone, done := 0, 0
	for n := 1; ; n += 4 {
		dir := filepath.Join(root, "a", "b")
		sent, status := runSignalled(t, n, syscall.SIGINT, "init", dir, "--domain", "localhost")
		switch {
		case status == 130 && !there(root, "a"):
			undone++
		case status == 0 && there(dir, "regctl.yaml") && !there(dir, ".regctl/init.json"):
			done++
			os.RemoveAll(filepath.Join(root, "a"))
		default:
			t.Fatalf("interrupted before change %d: status %d, left\n%s", n, status, names(t, root))
		}
		if !sent {
			break
		}
	}
	if undone < 5 || done == 0 {
		t.Errorf("taken back %d times, done %d times", undone, done)
	}
}

// What was there before init --force is never lost: it is where it was or where
// init says that it is moved to.
func TestForcedInitKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	n := 1
	for ; ; n += stride() {
		dir := filepath.Join(root, fmt.Sprint(n))
		theirs := map[string]string{"docker-compose.yml": "theirs: 1\n", "nginx/nginx.conf": "theirs 2;\n", "auth/htpasswd": "a:" + someHash + "\n"}
		for name, contents := range theirs {
			path := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		killed := runKilled(t, n, "init", dir, "--domain", "localhost", "--force")
		keeps(t, n, dir, theirs)
		if n%2 == 0 {
			// Without --force the next one takes back, then refuses.
			out, status := run(t, "init", dir, "--domain", "localhost")
			if !there(dir, "regctl.yaml") {
				for name, contents := range theirs {
					if data, _ := os.ReadFile(filepath.Join(dir, name)); string(data) != contents {
						t.Errorf("killed before change %d: %s was not put back: %q (status %d)\n%s", n, name, data, status, out)
					}
				}
				if status != 1 {
					t.Errorf("killed before change %d, then without --force: status %d\n%s", n, status, out)
				}
			}
			keeps(t, n, dir, theirs)
		}
		mustRun(t, "init", dir, "--domain", "localhost", "--force")
		keeps(t, n, dir, theirs)
		if !killed {
			break
		}
		os.RemoveAll(dir)
	}
}

// The same over a deployment that is in use: its users, keys and the secret stay,
// and so does what was edited by hand.
func TestForcedInitOfADeploymentKilled(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	n := 1
	for ; ; n += stride() {
		dir := filepath.Join(root, fmt.Sprint(n))
		mustRun(t, "init", dir, "--domain", "localhost")
		edited := "# edited\n"
		if err := os.WriteFile(filepath.Join(dir, "docker-compose.yml"), []byte(edited), 0o644); err != nil {
			t.Fatal(err)
		}
		kept := map[string]string{}
		for _, name := range []string{"docker-compose.yml", "nginx/nginx.conf", "registry/config.yml", "regctl.yaml", "auth/htpasswd", "private/http-secret", "private/ca-key.pem", "certs/ca.pem"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			kept[name] = string(data)
		}
		killed := runKilled(t, n, "init", dir, "--domain", "localhost", "--https-port", "8443", "--force")
		keeps(t, n, dir, kept)
		if there(dir, "regctl.yaml") && !there(dir, compose.Paths()...) {
			t.Errorf("killed before change %d: there is a regctl.yaml, but not all that belongs to it", n)
		}
		if n%2 == 0 { // any other command that changes something may come first
			run(t, "render", "--force", "-C", dir)
			keeps(t, n, dir, kept)
		}
		mustRun(t, "init", dir, "--domain", "localhost", "--https-port", "8443", "--force")
		keeps(t, n, dir, kept)
		if !killed {
			break
		}
		os.RemoveAll(dir)
	}
}

func there(dir string, names ...string) bool {
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// keeps asserts that each file's contents are in it or in a copy beside it.
func keeps(t *testing.T, n int, dir string, files map[string]string) {
	t.Helper()
	for name, contents := range files {
		found := false
		copies, _ := filepath.Glob(filepath.Join(dir, name) + "*")
		for _, path := range copies {
			if data, err := os.ReadFile(path); err == nil && string(data) == contents {
				found = true
			}
		}
		if !found {
			t.Errorf("killed before change %d: what was in %s is lost; there is %s", n, name, strings.Join(copies, " "))
		}
	}
}
