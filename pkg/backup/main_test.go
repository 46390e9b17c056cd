package backup

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain has the tests work in memory, where there is enough: they would mostly
// wait for the disk. What a loss of power leaves is not their question.
func TestMain(m *testing.M) {
	const memory = "/dev/shm"
	var fs unix.Statfs_t
	if err := unix.Statfs(memory, &fs); err != nil || int64(fs.Bavail)*fs.Bsize < 2<<30 {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp(memory, "regctl-backup-")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}
