package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// firstNamespace is that of all pids that are in no container; the kernel gives it
// this number (PROC_PID_INIT_INO).
const firstNamespace = "pid:[4026531836]"

// pidSpace names the boot and the namespace in which a pid means a process; empty
// where that is not known.
func pidSpace() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + ns
}

// gone tells whether a process has certainly ended. Of one in a container that is
// known when its whole namespace is gone, and only outside of containers.
func gone(space string, pid int) bool {
	own := pidSpace()
	if space == "" || own == "" || pid <= 0 {
		return false
	}
	if space == own {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
	boot, ns, _ := strings.Cut(space, " ")
	ownBoot, ownNS, _ := strings.Cut(own, " ")
	return boot == ownBoot && ownNS == firstNamespace && strings.HasPrefix(ns, "pid:[") && !namespaceUsed(ns)
}

// namespaceUsed tells whether a process of this host is, or may be, in a pid
// namespace.
func namespaceUsed(ns string) bool {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(all) == 0 {
		return true
	}
	for _, p := range all {
		if p == "/proc/1" { // this namespace's own
			continue
		}
		switch is, err := os.Readlink(p + "/ns/pid"); {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH): // ended meanwhile
		case err != nil || is == ns:
			return true
		}
	}
	return false
}
