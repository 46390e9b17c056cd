package cli

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regctl/regctl/pkg/storage/storagetest"
)

// A disk with backups that gets full, then read-only: the snapshots there stay
// good and can be brought back, room can be made on it, and then it goes on.
func TestBackupOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	oldImages(small)
	tree := storagetest.New(large)
	r := rand.NewChaCha8([32]byte{})
	for range 3 {
		noise := make([]byte, 300<<10)
		r.Read(noise)
		tree.Tag("big", "v1", tree.Image("big", "config", string(noise)))
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte(fullDiskScript), 0o700); err != nil {
		t.Fatal(err)
	}
	out, status := onTinyDisk(t, "size=768k", "sh", script, "DIR", small, large, dir)
	if status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	if got := content(t, filepath.Join(dir, "back")); got != content(t, small) {
		t.Errorf("brought back from the full disk:\n%s", got)
	}
	if strings.Contains(out, "left") && strings.Contains(out, "/locks/shared-") {
		t.Errorf("a lock is left:\n%s", out)
	}
}

const fullDiskScript = `
disk=$1 small=$2 large=$3 work=$4 store=$1/store
ends() { # STATUS COMMAND...; what it says is in $said
	want=$1; shift
	said=$("$@" 2>&1); got=$?
	[ "$got" = "$want" ] || { echo "$*: status $got, not $want: $said"; exit 1; }
}
says() { case $said in *"$1"*) ;; *) echo "it does not say '$1': $said"; exit 1;; esac; }
errors() { [ "$(echo "$said" | grep -c '^regctl: ')" = 1 ] || { echo "not one line: $said"; exit 1; }; }

ends 0 regctl backup --root "$small" --to "$store"
ends 1 regctl backup --root "$large" --to "$store"
says 'no space left on device'; says 'hint: regctl backup forget --prune'; errors
ends 0 regctl backup verify --data --from "$store"
says '1 snapshot,'

# Not one byte more.
dd if=/dev/zero of="$disk/fill" bs=4k 2>/dev/null
ends 0 regctl backup verify --data --from "$store"
ends 0 regctl restore --from "$store" --root "$work/back"
ends 0 regctl backup export "$work/one.tar.zst" --from "$store"
ends 1 regctl backup --root "$small" --to "$store"
says 'no space left on device'; errors
ends 0 regctl backup prune --from "$store"
rm "$disk/fill"
ends 0 regctl backup prune --from "$store"

# Larger, the next run goes through.
mount -o remount,size=8m "$disk" || exit 1
ends 0 regctl backup --root "$large" --to "$store"
ends 0 regctl backup verify --data --from "$store"
says '2 snapshots'

mount -o remount,ro "$disk" || exit 1
for what in "--root $small --to" "prune --from" "forget --keep-last 1 --from"; do
	ends 1 regctl backup $what "$store"
	says 'read-only'; says 'hint: '; errors
done
ends 0 regctl backup verify --data --from "$store"
ends 0 regctl restore --from "$store" --root "$work/back2"
ends 0 regctl backup export "$work/two.tar.zst" --from "$store"
mount -o remount,rw "$disk" || exit 1
ends 0 regctl backup --root "$small" --to "$store"
`
