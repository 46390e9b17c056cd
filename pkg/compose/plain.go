package compose

import (
	"bytes"
	"io"
)

// eraseLine is the terminal's "erase this line". Compose 2.26 writes it before
// each line of a log, without a terminal and with --ansi never too.
var eraseLine = []byte("\x1b[2K")

// plainWriter hands on what is written to it without [eraseLine], wherever a
// write ends.
type plainWriter struct {
	out  io.Writer
	rest []byte // the beginning of an eraseLine whose end has not come yet
}

func (w *plainWriter) Write(p []byte) (int, error) {
	data := bytes.ReplaceAll(append(w.rest, p...), eraseLine, nil)
	w.rest = nil
	for n := len(eraseLine) - 1; n > 0; n-- {
		if bytes.HasSuffix(data, eraseLine[:n]) {
			w.rest = append([]byte{}, data[len(data)-n:]...)
			data = data[:len(data)-n]
			break
		}
	}
	if _, err := w.out.Write(data); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush hands on what turned out to be no eraseLine.
func (w *plainWriter) flush() error {
	_, err := w.out.Write(w.rest)
	w.rest = nil
	return err
}
