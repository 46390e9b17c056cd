//go:build integration

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inside runs a script in a mount namespace of its own: what it mounts, nobody
// else sees, and it goes with the script.
func inside(t *testing.T, d *deployment, script string, args ...string) result {
	t.Helper()
	argv := append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"}, args...)
	return startProcess(t, append([]string{"REGCTL_DIR=" + d.dir}, d.env...), "", argv...).wait(t)
}

// TestDiskFull runs init on file systems of growing size, until one is large
// enough. What fails leaves nothing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	needRoot(t)
	// $1: size in KiB; $2: where to mount; then the command.
	const script = `
size=$1 where=$2; shift 2
mount -t tmpfs -o size="${size}k" tmpfs "$where" || exit 99
"$@"; status=$?
echo "left:"; find "$where" -mindepth 1
exit $status`
	failed, worked := 0, 0
	for size := 8; size <= 360; size += 32 {
		d := planned(t, options{})
		where := filepath.Dir(d.dir)
		r := inside(t, d, script, append([]string{fmt.Sprint(size), where, regctlBin}, d.initArgs()...)...)
		printed, left, _ := strings.Cut(r.stdout, "left:\n")
		switch r.status {
		case 0:
			worked++
			if !strings.Contains(left, "regctl.yaml") {
				t.Errorf("%d KiB: nothing written: %v", size, r)
			}
		case 1:
			failed++
			if left != "" || printed != "" || !strings.Contains(r.stderr, "no space left on device") || strings.Count(r.stderr, "\n") > 2 {
				t.Errorf("%d KiB: %v", size, r)
			}
			if worked > 0 {
				t.Errorf("%d KiB are not enough, fewer were", size)
			}
		default:
			t.Fatalf("%d KiB: %v", size, r)
		}
	}
	if failed < 3 || worked < 3 {
		t.Errorf("%d sizes were too small and %d large enough: not much of a test", failed, worked)
	}
}

// TestDiskFullLater fills the disk of a deployment and tries to change it: what
// was there stays, whole.
func TestDiskFullLater(t *testing.T) {
	t.Parallel()
	needRoot(t)
	// The engine does not see the file system: nginx -t is left out.
	d := planned(t, options{env: []string{"DOCKER_HOST=unix:///no/such/socket"}})
	const script = `
where=$1 bin=$2; shift 2
mount -t tmpfs -o size=1m tmpfs "$where" || exit 99
"$bin" "$@" >/dev/null || exit 98
echo "stop_grace: 25s" >>"$REGCTL_DIR/regctl.yaml" # something to render
sums() { find "$REGCTL_DIR" -type f ! -name "*lock" ! -name audit.log -exec sha256sum {} + | sort; }
before=$(sums)
dd if=/dev/zero of="$where/ballast" bs=1k 2>/dev/null
for command in "render" "user add somebody" "user passwd admin"; do
	"$bin" $command || echo "$command: $?"
done
rm "$where/ballast"
[ "$before" = "$(sums)" ] || { echo "changed:"; echo "$before"; sums; }
"$bin" render >/dev/null && "$bin" user add somebody >/dev/null || echo "does not work afterwards"`
	r := inside(t, d, script, append([]string{filepath.Dir(d.dir), regctlBin}, d.initArgs()...)...)
	r.want(t, 0)
	const want = "render: 1\nuser add somebody: 1\nuser passwd admin: 1\n"
	if r.stdout != want || strings.Count(r.stderr, "no space left on device") != 3 {
		t.Errorf("%v", r)
	}
}

// TestReadOnly has a deployment on a file system that is mounted read-only.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	needRoot(t)
	d := initialised(t, options{})
	const script = `mount --bind "$REGCTL_DIR" "$REGCTL_DIR" && mount -o remount,bind,ro "$REGCTL_DIR" || exit 99; exec "$@"`
	before := d.tree(t)
	for _, args := range [][]string{{"up"}, {"down"}, {"restart"}, {"render"}, {"user", "add", "somebody"}, {"user", "rm", "admin"}, {"user", "passwd", "admin"}} {
		r := inside(t, d, script, append([]string{regctlBin}, args...)...)
		r.want(t, 1, d.dir, "read-only file system")
		if r.stdout != "" {
			t.Errorf("%v", r)
		}
	}
	// To look is allowed.
	for status, commands := range map[int][][]string{
		0: {{"config"}, {"config", "validate"}, {"diff"}, {"user", "ls"}, {"up", "--dry-run"}, {"user", "add", "x", "--dry-run"}},
		3: {{"status"}}, // it is down
	} {
		for _, args := range commands {
			inside(t, d, script, append([]string{regctlBin}, args...)...).want(t, status)
		}
	}
	sameMap(t, "files", before, d.tree(t))
	d.noContainers(t)

	new := planned(t, options{})
	const empty = `mount -t tmpfs -o ro tmpfs "$1" || exit 99; shift; exec "$@"`
	r := inside(t, new, empty, append([]string{filepath.Dir(new.dir), regctlBin}, new.initArgs()...)...)
	r.want(t, 1, "read-only file system", "hint: name a directory you may write to")
	if _, err := os.Lstat(new.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", new.dir, err)
	}
}
