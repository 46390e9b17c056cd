package cli

import (
	"errors"
	"syscall"

	"github.com/regctl/regctl/internal/ui"
	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/gc"
)

// storageAdvice says what to do about a file system that refused to take part in a
// collection. An error that has advice already keeps it.
func storageAdvice(root string, err error) error {
	is := func(list ...syscall.Errno) bool {
		for _, errno := range list {
			if errors.Is(err, errno) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil || advice.Of(err) != "":
		return err
	case is(syscall.ENOSPC, syscall.EDQUOT):
		at := ""
		if root != storageDir {
			at = " --root " + shellWord(root)
		}
		bytes := int64(0)
		trash, _ := gc.List(root) // the error at hand is what matters
		for _, t := range trash {
			bytes += t.Bytes
		}
		if bytes > 0 {
			return advice.With(err, "regctl gc purge --keep-trash 0s%s frees %s of trash, for good", at, ui.Bytes(bytes))
		}
		return advice.With(err, "what goes is written down first, which takes some KiB: make a little room on that disk (docker image prune, old logs), then once more")
	case is(syscall.EROFS):
		return advice.With(err, "mount it writable (dmesg tells whether an error of the disk made it so); --dry-run looks without writing")
	case is(syscall.EACCES, syscall.EPERM):
		return advice.With(err, "run it as root, or as the user that the files belong to; lsattr tells of a file that is made immutable")
	case is(syscall.EIO, syscall.EUCLEAN, syscall.EBADMSG):
		return advice.With(err, "the disk or its file system fails: see dmesg, and save what can be read with regctl backup")
	}
	return err
}
