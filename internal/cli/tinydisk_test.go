package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// insideTinyDisk marks the second half of tinydisk, which runs in a mount
// namespace of its own.
const insideTinyDisk = "REGCTL_TEST_TINYDISK"

// statusNoDisk is how tinydisk ends where it may not mount.
const statusNoDisk = 125

// tinyDisk is `tinydisk OPTIONS DIR COMMAND...`: it mounts a tmpfs with those
// options (size=64k,nr_inodes=20) on DIR, for the command's eyes only, and ends
// with the command's status. What the command left on it goes to standard error,
// a line "left NAME" each. The disk ends with the process.
func tinyDisk() {
	if os.Getenv(insideTinyDisk) == "" {
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Path, _ = os.Executable()
		cmd.Env = append(os.Environ(), insideTinyDisk+"=1")
		attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if os.Geteuid() != 0 {
			attr.Cloneflags |= syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
		cmd.SysProcAttr = attr
		exitAs(cmd, statusNoDisk)
	}
	os.Unsetenv(insideTinyDisk)
	options, dir := os.Args[1], os.Args[2]
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tinydisk", dir, "tmpfs", 0, options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mount:", err)
		os.Exit(statusNoDisk)
	}
	cmd := exec.Command(os.Args[3], os.Args[4:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Run() // its status is passed on
	filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err == nil && path != dir {
			fmt.Fprintln(os.Stderr, "left", path)
		}
		return nil
	})
	os.Exit(cmd.ProcessState.ExitCode())
}
