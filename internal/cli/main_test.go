package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test program regctl itself when it is called by that name:
// what scripts and tests run is the real command, in a process of its own.
func TestMain(m *testing.M) {
	// Under the race detector each process would sleep for a second before it
	// ends. regctl is run hundreds of times here.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=10")
	}
	testscript.Main(reachable{m}, map[string]func(){
		"regctl":   func() { os.Exit(Main()) },
		"asnobody": asNobody,
		"tinydisk": tinyDisk,
	})
}

// reachable opens the directory of the commands, which testscript makes for its
// own user alone, to every user.
type reachable struct{ m *testing.M }

func (r reachable) Run() int {
	bin, err := exec.LookPath("regctl")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, dir := range []string{filepath.Dir(bin), filepath.Dir(filepath.Dir(bin))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return r.m.Run()
}

// nobody is a user who owns nothing.
const nobody = 65534

// asNobody runs a command as a user without rights, where it is root that runs
// the tests; somebody else is without rights already.
func asNobody() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	exitAs(cmd, 127)
}

// exitAs runs a command on this process's streams and ends with its status, or
// with another where it could not be started.
func exitAs(cmd *exec.Cmd, otherwise int) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(otherwise)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}
