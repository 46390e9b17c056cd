//go:build integration

package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage"
	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// TestGCOnBadDisks collects on file systems that are full, read-only, worn out, or
// hold files that nobody may touch: real ones, made for it. What is said has the
// fault and what to do next in it, the tags stay whole, and nothing is half done.
func TestGCOnBadDisks(t *testing.T) {
	t.Parallel()
	needRoot(t)
	tree := storagetest.New(filepath.Join(t.TempDir(), "tree"))
	image := tree.Image("team/app", "config", "shared", strings.Repeat("layer", 20_000))
	tree.Tag("team/app", "v1", image)
	tree.Tag("team/app", "v2", tree.Image("team/app", "another config", "shared"))
	tree.Tag("other", "v1", tree.Image("other", "config of another", "shared"))
	unused := strings.Repeat("old layer", 20_000)
	tree.Layer("team/app", unused)
	old := storage.BlobPath(storage.SHA256.Of([]byte(unused)))

	// The file system is in the script's own mount namespace and ends with it. gc runs
	// regctl gc and prints "gc: STATUS" and what it said; whole is for the end.
	const prologue = `
bin=$1 tree=$2 image=$3 old=$4 manifest=$5 disk=$6
mkdir "$disk" && truncate -s 8M "$image" && mkfs.ext4 -q -m 0 "$image" && mount -o loop "$image" "$disk" && cp -a "$tree/docker" "$disk/" || exit 99
regctl() { what=$1; shift; "$bin" "$@" --root "$disk" -q >"$image.out" 2>&1; echo "$what: $?"; cat "$image.out"; }
gc() { regctl gc gc --delete-untagged --untagged-older-than 0 --grace 0 --yes "$@"; }
fill() { dd if=/dev/zero of="$disk/ballast" bs=64k 2>/dev/null; dd if=/dev/zero of="$disk/ballast2" bs=1k 2>/dev/null; sync -f "$disk"; }
room() { rm -f "$disk"/ballast*; }
# damaged runs a command of debugfs on the file system, then gc, and takes the damage back.
damaged() {
	sync -f "$disk"; umount "$disk"; cp "$image" "$image.good"; debugfs -w -R "$1" "$image" 2>/dev/null; mount -o loop "$image" "$disk"
	gc; umount "$disk"; cp "$image.good" "$image"; mount -o loop "$image" "$disk"; unchanged; gc
}
files() { (cd "$disk/docker" && find . -type f -printf '%p %T@\n' | sort) | sha256sum; }
before=$(files)
unchanged() { [ "$(files)" = "$before" ] || echo "CHANGED"; }
`
	for _, c := range []struct {
		name, script string
		want         []string // in this order; each step's status, and what it says
	}{
		{"full before the first", `
fill; gc; unchanged; room; gc`,
			[]string{"gc: 1\n", "no space left on device\nhint: ", "room", "gc: 0\n", "moved to the trash: 175.8 KiB in 1 of 9 blobs"}},
		{"full with trash", `
gc; gc --keep-trash 1h; mkdir "$disk/more"; before=$(files); fill
regctl rm tag rm team/app:v2 --yes; unchanged; regctl purge gc purge --keep-trash 0 --yes; regctl rm tag rm team/app:v2 --yes`,
			[]string{"gc: 0\n", "gc: 0\n", "rm: 1\n", "no space left on device\nhint: regctl gc purge --keep-trash 0s --root ", " frees 175.8 KiB",
				"purge: 0\n", "freed 175.8 KiB", "rm: 0\n", "1 of 3 tags"}},
		{"full, undone", `
gc; fill; regctl undo gc undo; unchanged`,
			[]string{"gc: 0\n", "undo: 0\n", "put back"}},
		{"read-only", `
mount -o remount,ro "$disk"; gc; gc --dry-run; regctl undo gc undo; regctl purge gc purge --yes; regctl ls repo ls; mount -o remount,rw "$disk"; unchanged; gc`,
			[]string{"gc: 1\n", "read-only file system\nhint: mount it writable", "gc: 0\n", "would move", "undo: 1\n", "read-only", "hint: ", "purge: 1\n", "read-only", "hint: ", "ls: 0\n", "gc: 0\n", "moved"}},
		{"immutable blob", `
chattr +i "$disk/$old"; gc; chattr -i "$disk/$old"; unchanged; gc`,
			[]string{"gc: 1\n", "operation not permitted\nhint: ", "lsattr", "gc: 0\n", "moved"}},
		{"immutable trash", `
chattr +i "$disk/$old/data"; gc; regctl purge gc purge --keep-trash 0 --yes; gc; regctl rm tag rm team/app:v2 --yes; regctl undo gc undo
chattr -R -i "$disk"/.regctl/trash/purge-*; gc`,
			[]string{"gc: 0\n", "moved", "purge: 3\n", "operation not permitted (trash-not-freed)", "gc: 3\n", "nothing to collect", "(trash-not-freed)",
				"rm: 3\n", "moved", "undo: 3\n", "put back", "gc: 0\n", "nothing to collect"}},
		{"nobody", `
chmod 755 "$disk" "${disk%/*}" "${disk%/*/*}"; as() { setpriv --reuid 65534 --clear-groups "$@"; }
for way in "" --dry-run; do chmod 700 "$disk/docker/registry/v2/repositories/other"
as "$bin" gc --root "$disk" -q $way 2>&1; echo "nobody: $?"; done; unchanged; gc`,
			[]string{"permission denied\nhint: run it as root", "nobody: 1\n", "permission denied\nhint: ", "nobody: 1\n", "gc: 0\n", "moved"}},
		{"a damaged file", `damaged "sif \"/$manifest\" block[0] 999999"`,
			[]string{"gc: 1\n", "structure needs cleaning\nhint: the disk or its file system fails", "gc: 0\n", "moved"}},
		{"a damaged directory", `damaged "zap_block -f /docker/registry/v2/repositories/team 0"`,
			[]string{"gc: 1\n", "repositories/team", "hint: the disk or its file system fails", "gc: 0\n", "moved"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := startProcess(t, nil, "", "unshare", "--mount", "--propagation", "private", "sh", "-c", prologue+c.script, "sh",
				regctlBin, tree.Dir, filepath.Join(dir, "image"), old, storage.BlobPath(image)+"/data", filepath.Join(dir, "disk")).wait(t)
			rest := r.stdout
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q in what is left\n%v", want, r)
				}
				rest = after
			}
			if strings.Contains(r.stdout, "CHANGED") || strings.Contains(rest, ": 1\n") || r.stderr != "" {
				t.Errorf("%v", r)
			}
		})
	}
}
