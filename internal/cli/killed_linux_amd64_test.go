package cli

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// changing are the calls that change a directory: between any two of them a kill
// leaves something else behind. (Files are made under a temporary name, so that
// what counts is their renaming.)
var changing = []uint64{
	syscall.SYS_MKDIR, syscall.SYS_MKDIRAT, syscall.SYS_RMDIR, syscall.SYS_UNLINK, syscall.SYS_UNLINKAT,
	syscall.SYS_RENAME, syscall.SYS_RENAMEAT, 316, // renameat2
	syscall.SYS_LINK, syscall.SYS_LINKAT, syscall.SYS_SYMLINK, syscall.SYS_SYMLINKAT,
}

// stride is how many changes lie between two at which a long run is killed. To
// try every single one takes minutes: REGCTL_TEST_EVERY_CHANGE=1 does.
func stride() int { return every(5) }

// every is n, unless each single change is to be tried.
func every(n int) int {
	if os.Getenv("REGCTL_TEST_EVERY_CHANGE") != "" {
		return 1
	}
	return n
}

// Flags of ptrace(2) and wait(2) that the syscall package has no names for.
const (
	traceSysGood = 0x1
	traceClone   = 0x8
	exitKill     = 0x100000
	waitAll      = 0x40000000 // __WALL
	waitNoThread = 0x20000000 // __WNOTHREAD: of other tests' children nothing is taken
)

// runKilled runs regctl and kills it with SIGKILL in place of the n-th call that
// changes a directory. It returns false when regctl ended before that.
func runKilled(t *testing.T, n int, args ...string) bool {
	t.Helper()
	killed, _ := runSignalled(t, n, syscall.SIGKILL, args...)
	return killed
}

// runSignalled runs regctl and sends it a signal before its n-th call that
// changes a directory. It returns whether it came so far, and its exit status.
func runSignalled(t *testing.T, n int, signal syscall.Signal, args ...string) (sent bool, status int) {
	t.Helper()
	_, status = runTraced(t, func(pid, tid int) error {
		if sent || !changes(tid) {
			return nil
		}
		if n--; n > 0 {
			return nil
		}
		sent = true
		return syscall.Kill(pid, signal)
	}, args...)
	return sent, status
}

// runFailing runs regctl while calls fail.
func runFailing(t *testing.T, f *failing, args ...string) (out string, status int) {
	t.Helper()
	return runTraced(t, func(_, tid int) error { return f.stop(tid) }, args...)
}

// runTraced runs regctl and calls stop when one of its threads begins or ends a
// call of the kernel.
func runTraced(t *testing.T, stop func(pid, tid int) error, args ...string) (out string, status int) {
	t.Helper()
	runtime.LockOSThread() // one thread alone may trace
	defer runtime.UnlockOSThread()
	path, err := exec.LookPath("regctl")
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	said, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	p, err := os.StartProcess(path, append([]string{"regctl"}, args...), &os.ProcAttr{
		Files: []*os.File{null, said, said},
		Env:   noDocker(),
		// Its own group, to wait for its threads alone: this thread may have started
		// another test's process before it was locked.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(p.Pid, &ws, 0, nil); err != nil || !ws.Stopped() {
		t.Fatalf("not stopped at its start: %v, %v", ws, err)
	}
	if err := syscall.PtraceSetOptions(p.Pid, traceSysGood|traceClone|exitKill); err != nil {
		t.Fatal(err)
	}
	resume(t, p.Pid, 0)
	for {
		tid, err := syscall.Wait4(-p.Pid, &ws, waitAll|waitNoThread, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			t.Fatal(err)
		case !ws.Stopped():
			if tid == p.Pid {
				data, err := os.ReadFile(said.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(data), ws.ExitStatus()
			}
			continue
		case ws.StopSignal() == syscall.SIGTRAP|0x80:
			if err := stop(p.Pid, tid); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
			resume(t, tid, 0)
		case ws.StopSignal() == syscall.SIGTRAP, ws.StopSignal() == syscall.SIGSTOP:
			resume(t, tid, 0) // of ptrace's own: a new thread, its first stop
		default:
			resume(t, tid, ws.StopSignal())
		}
	}
}

func resume(t *testing.T, tid int, signal syscall.Signal) {
	t.Helper()
	// A thread may have been killed since it stopped.
	if err := syscall.PtraceSyscall(tid, int(signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// changes tells whether a thread is about to begin one of the calls. (At the end
// of a call rax is its result, at its beginning -ENOSYS.)
func changes(tid int) bool {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil || int64(regs.Rax) != -int64(syscall.ENOSYS) {
		return false
	}
	return slices.Contains(changing, regs.Orig_rax)
}
