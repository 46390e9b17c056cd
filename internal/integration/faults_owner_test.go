//go:build integration

package integration

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// someone is a user who is neither root nor nobody; the name does not matter.
const someone = 1000

// TestOwner has a deployment that belongs to somebody else than root, with
// files that only their owner may read, looked after by the owner and by root
// in turn.
func TestOwner(t *testing.T) {
	t.Parallel()
	needRoot(t)
	d := planned(t, options{})
	d.giveTo(t, someone)
	group := engineGroup(t)
	owner := func(args ...string) result {
		t.Helper()
		r := d.as(t, someone, someone, []int{group}, args...)
		r.want(t, 0)
		return r
	}
	init := owner(d.initArgs()...)
	var out struct{ User, Password string }
	init.json(t, &out)
	d.user, d.password = out.User, out.Password

	owner("up")
	works := func(who string) {
		t.Helper()
		if got := d.login(t, d.user, d.password); got != http.StatusOK {
			t.Fatalf("login after %s: %d", who, got)
		}
		d.ownedBy(t, someone)
	}
	works("the owner's up")
	owner("smoke")
	d.untouched(t, func() { d.must(t, "up") })

	// Root changes things, from cron for instance; the owner is not locked out.
	d.must(t, "user", "add", "by-root")
	d.setConfig(t, "stop_grace", "", "20s")
	os.Chown(d.path("regctl.yaml"), someone, someone)
	d.must(t, "up")
	works("root's up")
	owner("user", "add", "by-owner")
	d.untouched(t, func() { owner("up") })
	owner("restart")
	works("the owner's restart")
	d.must(t, "down")
	owner("up")
	works("root's down and the owner's up")
	if got := userNames(t, owner("user", "ls", "--json")); len(got) != 3 {
		t.Errorf("users: %v", got)
	}
	// Whatever the owner's umask left, it is not to stop the containers.
	for _, name := range []string{"nginx/nginx.conf", "certs/live/localhost/fullchain.pem"} {
		if err := os.Chmod(d.path(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	owner("restart")
	works("chmod 600")
}

// giveTo gives the deployment, and the way to it, to a user.
func (d *deployment) giveTo(t *testing.T, uid int) {
	t.Helper()
	parent := filepath.Dir(d.dir)
	if err := os.Chmod(filepath.Dir(parent), 0o755); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(parent, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ownedBy looks at who owns what is in the deployment. Links belong to whoever
// made them: nobody asks.
func (d *deployment) ownedBy(t *testing.T, uid int) {
	t.Helper()
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() == fs.ModeSymlink {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		if got := int(fi.Sys().(*syscall.Stat_t).Uid); got != uid {
			t.Errorf("%s belongs to %d", path, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// as runs regctl as another user, with a umask that lets nobody else read.
func (d *deployment) as(t *testing.T, uid, gid int, groups []int, args ...string) result {
	t.Helper()
	// The binary may lie where only root can look.
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "regctl")
	tool(t, "install", "-m", "755", regctlBin, bin)
	argv := []string{"setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid)}
	if len(groups) == 0 {
		argv = append(argv, "--clear-groups")
	} else {
		argv = append(argv, "--groups="+strings.Trim(strings.ReplaceAll(fmt.Sprint(groups), " ", ","), "[]"))
	}
	argv = append(argv, "sh", "-c", `umask 077; exec "$@"`, "sh", bin)
	env := append([]string{"REGCTL_DIR=" + d.dir, "HOME=" + home}, d.env...)
	return startProcess(t, env, "", append(argv, args...)...).wait(t)
}

// engineGroup is the group that may use the engine's socket.
func engineGroup(t *testing.T) int {
	t.Helper()
	socket, ok := strings.CutPrefix(envOr("DOCKER_HOST", "unix:///var/run/docker.sock"), "unix://")
	fi, err := os.Stat(socket)
	if !ok || err != nil {
		t.Fatalf("the engine has no socket on this host: %s %v", socket, err)
	}
	if fi.Mode().Perm()&0o060 != 0o060 {
		t.Fatalf("no group may use %s: %s", socket, fi.Mode())
	}
	return int(fi.Sys().(*syscall.Stat_t).Gid)
}
