package users

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/regctl/regctl/pkg/advice"
)

// readPlain reads a file that a container is to read. It refuses what is not a
// plain file: the container sees nothing but the file's own directory, so a
// symbolic link is dead there, and following one as root would read whatever it
// points to. A pipe must not make it wait, hence O_NONBLOCK.
func readPlain(path string) ([]byte, error) {
	notPlain := func() error {
		return advice.With(fmt.Errorf("%s is not a plain file", path), "put the file itself there, not a link to it")
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, notPlain()
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, notPlain()
	}
	return io.ReadAll(file)
}
