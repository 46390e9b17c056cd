// Package audit keeps what regctl did on a deployment and who had it done: a line
// of JSON for each command, only ever added to.
//
// A line is one write at the end of the file, under a lock on it, so that several
// processes do not mix theirs. When the file is full it is renamed and a new one
// begun; the oldest goes. A line that a crash or a full disk cut off is passed over
// when it is read, and ended before the next one is added.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/regctl/regctl/pkg/durable"
)

// Entry is one command.
type Entry struct {
	Time     time.Time `json:"time" doc:"when it began"`
	Command  string    `json:"command" doc:"of regctl: user add"`
	Args     []string  `json:"args" doc:"its arguments and flags"`
	UID      int       `json:"uid" doc:"user ID that ran it"`
	User     string    `json:"user" doc:"its name; empty: not known"`
	SudoUser string    `json:"sudo_user,omitempty" doc:"who called sudo for it"`
	Host     string    `json:"host" doc:"name of the machine"`
	PID      int       `json:"pid" doc:"process ID"`
	Status   int       `json:"status" doc:"exit status: see the help of any command"`
	Millis   int64     `json:"duration_ms" doc:"milliseconds"`
	Version  string    `json:"version" doc:"of regctl"`
}

// Log is the files of a deployment's audit.
type Log struct {
	Path string // of the newest; the older ones have .1, .2, … behind it
	Most int64  // bytes from which a new file is begun; 0: DefaultMost
}

// How much is kept: some thousand commands a file.
const (
	DefaultMost = 1 << 20
	older       = 4
)

func (l Log) most() int64 {
	if l.Most == 0 {
		return DefaultMost
	}
	return l.Most
}

func (l Log) name(i int) string {
	if i == 0 {
		return l.Path
	}
	return fmt.Sprintf("%s.%d", l.Path, i)
}

// Append adds an entry. The file is made with mode 0600 if there is none, but not
// its directory.
func (l Log) Append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := l.open()
	if err != nil {
		return err
	}
	defer f.Close()
	line = append(line, '\n')
	if cutOff, err := endsOpen(f); err != nil {
		return err
	} else if cutOff {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.Write(line); err != nil {
		return err
	}
	return f.Sync()
}

// open opens the newest file, locked, with room in it.
func (l Log) open() (*os.File, error) {
	for {
		if err := durable.CreateFile(l.Path, nil, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err := os.OpenFile(l.Path, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed this instant
		}
		if err != nil {
			return nil, err
		}
		again, err := l.lock(f)
		if err == nil && !again {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// lock takes the lock of a file, and tells whether it is not the newest any more,
// perhaps because this has just begun another one.
func (l Log) lock(f *os.File) (again bool, err error) {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EINTR) {
			return false, &fs.PathError{Op: "flock", Path: l.Path, Err: err}
		}
	}
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !mine.Mode().IsRegular() {
		return false, fmt.Errorf("%s is not a regular file", l.Path)
	}
	now, err := os.Lstat(l.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, now) {
		return true, nil
	}
	if err != nil || mine.Size() < l.most() {
		return false, err
	}
	for i := older; i > 0; i-- {
		if err := durable.Rename(l.name(i-1), l.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

// endsOpen tells whether a file's last line was cut off.
func endsOpen(f *os.File) (bool, error) {
	fi, err := f.Stat()
	if err != nil || fi.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], fi.Size()-1)
	return last[0] != '\n', err
}

// Read returns the entries since then, oldest first, and how many lines could not
// be read. Where nothing was ever written there are none.
func (l Log) Read(since time.Time) (entries []Entry, damaged int, err error) {
	for i := older; i >= 0; i-- {
		data, err := os.ReadFile(l.name(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			var e Entry
			if json.Unmarshal(line, &e) != nil || e.Time.IsZero() {
				damaged++
			} else if !e.Time.Before(since) {
				entries = append(entries, e)
			}
		}
	}
	return entries, damaged, nil
}
