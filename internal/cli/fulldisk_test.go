package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// init on a disk that is full fails with 1 and leaves nothing, wherever on its
// way the space, or the number of files, runs out.
func TestInitOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"size=%dk", "nr_inodes=%d"} {
		failed, worked := 0, 0
		for n := 4; worked == 0; n += 8 { // tmpfs counts in pages of 4 KiB
			if n > 400 {
				t.Fatal("init never works")
			}
			options := fmt.Sprintf(what, n)
			out, status := onTinyDisk(t, options, "regctl", "init", "DIR", "--domain", "localhost")
			left := strings.Count(out, "left /")
			switch status {
			case 0:
				worked++
			case 1:
				failed++
				if left > 0 || !strings.Contains(out, "no space left on device") {
					t.Errorf("%s: not taken back, or not told:\n%s", options, out)
				}
			default:
				t.Errorf("%s: status %d\n%s", options, status, out)
			}
		}
		if failed < 3 {
			t.Errorf("%s: failed %d times only", what, failed)
		}
	}
}

// onTinyDisk runs a program with a tmpfs mounted on the directory DIR.
func onTinyDisk(t *testing.T, options string, args ...string) (out string, status int) {
	t.Helper()
	dir := t.TempDir()
	for i := range args {
		if args[i] == "DIR" {
			args[i] = dir
		}
	}
	cmd := exec.Command("tinydisk", append([]string{options, dir}, args...)...)
	cmd.Env = noDocker()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	cmd.Run() // the status says it
	status = cmd.ProcessState.ExitCode()
	if status == statusNoDisk {
		if os.Getenv("CI") != "" {
			t.Fatalf("run the tests as root, or where a user may mount: %s", &b)
		}
		t.Skipf("NOT TESTED: only root can mount a small disk here: %s", &b)
	}
	return b.String(), status
}
