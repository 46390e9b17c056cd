package backup

import "golang.org/x/sys/unix"

// fdWriter writes to a file without what os.File adds, and has what is large written
// to the disk meanwhile: whoever waits for that in the end waits for little, and
// the disk is not idle while this process is busy.
type fdWriter struct {
	fd            int
	done, started int64
	err           error // of writing
}

// startAfter is how much is written before the disk is to begin with it.
const startAfter = 16 << 20

func (w *fdWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := unix.Write(w.fd, p[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			w.err = err
			return n, err
		default:
			n += m
		}
	}
	if w.done += int64(n); w.done-w.started >= startAfter {
		w.start()
	}
	return n, nil
}

// end is called when nothing is to come.
func (w *fdWriter) end() {
	if w.done >= smallObject {
		w.start()
	}
}

func (w *fdWriter) start() {
	// No more than a hint: some file systems do not take it.
	_ = unix.SyncFileRange(w.fd, w.started, w.done-w.started, unix.SYNC_FILE_RANGE_WRITE)
	w.started = w.done
}
