package certs

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs f without root's rights over files, on a thread of its own that
// ends with it. The system call is made directly: syscall.Setfsuid does no
// more, and the package's others change every thread of the process.
func asNobody(t testing.TB, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the goroutine
		// The result is the former id, also on failure; ask again to see.
		syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		now, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		if errno == 0 && now != 65534 {
			errno = syscall.EPERM
		}
		if errno == 0 {
			f()
		}
		done <- errno
	}()
	if errno := <-done; errno != 0 {
		t.Fatalf("setfsuid: %v", errno)
	}
}
