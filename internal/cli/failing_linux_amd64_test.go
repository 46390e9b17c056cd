package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Calls that name what they are about by a descriptor, by a path below one, and by
// a path alone. Their numbers are amd64's.
var (
	onFD = []uint64{syscall.SYS_READ, syscall.SYS_WRITE, syscall.SYS_FSTAT, syscall.SYS_PREAD64, syscall.SYS_PWRITE64, syscall.SYS_FLOCK,
		syscall.SYS_FSYNC, syscall.SYS_FDATASYNC, syscall.SYS_FTRUNCATE, syscall.SYS_GETDENTS64, syscall.SYS_FCHMOD, syscall.SYS_FCHOWN, 306} // syncfs
	onPathAt = []uint64{syscall.SYS_OPENAT, syscall.SYS_MKDIRAT, syscall.SYS_UNLINKAT, syscall.SYS_RENAMEAT, syscall.SYS_LINKAT, syscall.SYS_NEWFSTATAT,
		syscall.SYS_UTIMENSAT, syscall.SYS_READLINKAT, 316, 332, 437} // renameat2, statx, openat2
	onPath = []uint64{syscall.SYS_OPEN, syscall.SYS_STAT, syscall.SYS_LSTAT, syscall.SYS_MKDIR, syscall.SYS_RMDIR, syscall.SYS_UNLINK, syscall.SYS_RENAME, syscall.SYS_LINK, syscall.SYS_STATFS}
)

// failing makes calls about what is below a directory fail, as a file system does
// that is full, worn out or read-only.
type failing struct {
	under   string
	at      int // the n-th of the calls, 0: none
	forEver bool
	errno   syscall.Errno

	calls  []string              // so far
	failed string                // what failed first
	ending map[int]syscall.Errno // threads in a call that is to fail
}

// stop is called when a thread begins or ends a call.
func (f *failing) stop(tid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return nil // it has been killed
	}
	if errno, ok := f.ending[tid]; ok {
		delete(f.ending, tid)
		regs.Rax = uint64(-int64(errno))
		return syscall.PtraceSetRegs(tid, &regs)
	}
	if int64(regs.Rax) != -int64(syscall.ENOSYS) {
		return nil // the end of a call
	}
	about := subject(tid, &regs)
	if about != f.under && !strings.HasPrefix(about, f.under+"/") {
		return nil
	}
	f.calls = append(f.calls, fmt.Sprintf("call %d of %s", regs.Orig_rax, about))
	if n := len(f.calls); f.at == 0 || n < f.at || n > f.at && !f.forEver {
		return nil
	}
	if f.failed == "" {
		f.failed = f.calls[len(f.calls)-1]
	}
	if f.ending == nil {
		f.ending = map[int]syscall.Errno{}
	}
	f.ending[tid] = f.errno
	regs.Orig_rax = ^uint64(0) // no call at all
	return syscall.PtraceSetRegs(tid, &regs)
}

// subject is what a call is about; empty for calls that are about nothing here.
func subject(tid int, regs *syscall.PtraceRegs) string {
	descriptor := func(fd uint64) string {
		path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tid, int32(fd)))
		return path
	}
	is := func(list []uint64) bool {
		for _, n := range list {
			if n == regs.Orig_rax {
				return true
			}
		}
		return false
	}
	switch {
	case is(onFD):
		return descriptor(regs.Rdi)
	case is(onPathAt):
		path := text(tid, regs.Rsi)
		switch {
		case strings.HasPrefix(path, "/"):
			return path
		case path == "":
			return descriptor(regs.Rdi)
		}
		return descriptor(regs.Rdi) + "/" + path
	case is(onPath):
		return text(tid, regs.Rdi)
	}
	return ""
}

// text reads a string of a thread's memory.
func text(tid int, at uint64) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	buf := make([]byte, 1024)
	n, _ := mem.ReadAt(buf, int64(at)) // less where a page ends the memory
	s, _, _ := bytes.Cut(buf[:n], []byte{0})
	return string(s)
}
