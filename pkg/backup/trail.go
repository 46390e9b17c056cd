package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// trail makes files in a tree, and the directories above them. It keeps the
// directories open that lead to where it made the last one, so that the next one
// nearby costs no walk from the root; and since each is opened by its name alone,
// in the one above it, a symbolic link that somebody puts there leads nowhere. It
// is for one goroutine.
type trail struct {
	root   *os.Root
	steps  []step
	buffer []byte
	sync   bool // flush each, see [syncsTogether]
}

// step is an open directory.
type step struct {
	name string
	fd   int
}

// newTrail begins at a root, which stays the caller's.
func newTrail(root *os.Root, sync bool) (*trail, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, failedAt("open", "", err)
	}
	return &trail{root: root, steps: []step{{"", fd}}, sync: sync}, nil
}

func (t *trail) close() error {
	err := t.back(0)
	t.steps = nil
	return err
}

// back closes all directories but so many.
func (t *trail) back(keep int) (err error) {
	for i := len(t.steps) - 1; i >= keep; i-- {
		if t.sync {
			err = errors.Join(err, failedAt("fsync", t.path(i), ignore(unix.Fsync(t.steps[i].fd), unix.EINVAL, unix.ENOTSUP)))
		}
		unix.Close(t.steps[i].fd)
	}
	t.steps = t.steps[:keep]
	return err
}

func (t *trail) path(i int) string {
	at := ""
	for _, s := range t.steps[:i+1] {
		at = path.Join(at, s.name)
	}
	return at
}

// to goes to a directory and makes what is missing on the way. What was there is
// left as it is.
func (t *trail) to(dir string, o Ownership) error {
	depth := 1
	for name := range strings.SplitSeq(dir, "/") {
		if depth < len(t.steps) && t.steps[depth].name == name {
			depth++
			continue
		}
		if err := t.back(depth); err != nil {
			return err
		}
		fd, err := t.enter(name, o)
		if err != nil {
			return failedAt("mkdir", path.Join(t.path(depth-1), name), err)
		}
		t.steps = append(t.steps, step{name, fd})
		depth++
	}
	return t.back(depth)
}

func (t *trail) enter(name string, o Ownership) (int, error) {
	if !plainName(name) {
		return -1, unix.EINVAL
	}
	at := t.steps[len(t.steps)-1].fd
	mode := o.Dirs | 0o700
	made := again(func() error { return unix.Mkdirat(at, name, uint32(mode)) })
	if made != nil && made != unix.EEXIST {
		return -1, made
	}
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, err
	}
	if made == nil {
		err = settle(fd, mode, o)
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// file writes a file in the directory that the trail is at; it must not be there.
func (t *trail) file(name string, r io.Reader, size int64, o Ownership, when time.Time) (err error) {
	if !plainName(name) {
		return failedAt("create", name, unix.EINVAL)
	}
	at := t.steps[len(t.steps)-1].fd
	about := func(op string, err error) error { return failedAt(op, path.Join(t.path(len(t.steps)-1), name), err) }
	var fd int
	err = again(func() (err error) {
		fd, err = unix.Openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(o.Files))
		return err
	})
	if err != nil {
		return about("create", err)
	}
	defer func() {
		if closed := unix.Close(fd); closed != nil && closed != unix.EINTR {
			err = errors.Join(err, about("close", closed))
		}
		if err != nil {
			_ = unix.Unlinkat(at, name, 0) // the whole stage goes in any case
		}
	}()
	if t.buffer == nil {
		t.buffer = make([]byte, copyBuffer)
	}
	w := fdWriter{fd: fd}
	n, err := io.CopyBuffer(&w, r, t.buffer)
	if w.err != nil {
		return about("write", w.err)
	}
	if err != nil {
		return err
	}
	if n != size {
		return about("write", fmt.Errorf("%d bytes came of %d", n, size))
	}
	w.end()
	if err := settle(fd, o.Files, o); err != nil {
		return about("chmod", err)
	}
	if !when.IsZero() {
		ts := unix.NsecToTimespec(when.UnixNano())
		if err := unix.UtimesNanoAt(at, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return about("utimes", err)
		}
	}
	if t.sync {
		return about("fsync", unix.Fsync(fd))
	}
	return nil
}

// settle gives a new file or directory to its owner, with its rights, where it is
// not so already: looking is much cheaper than a change that changes nothing. Only
// root can give away; what others bring back is theirs.
func settle(fd int, mode fs.FileMode, o Ownership) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if os.Geteuid() == 0 && (st.Uid != uint32(o.UID) || st.Gid != uint32(o.GID)) {
		if err := unix.Fchown(fd, o.UID, o.GID); err != nil {
			return err
		}
	}
	if st.Mode&0o7777 != uint32(mode.Perm()) {
		return unix.Fchmod(fd, uint32(mode.Perm()))
	}
	return nil
}

// plainName tells names that lead to no other directory.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// again calls f until no signal interrupts it.
func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func ignore(err error, these ...error) error {
	for _, e := range these {
		if err == e {
			return nil
		}
	}
	return err
}

// failedAt is an error about a path below the root; nil stays nil.
func failedAt(op, at string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: at, Err: err}
}
