package cli

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

func pid() int { return os.Getpid() }

// alive tells whether a process of that number runs. One of another user's
// counts: asking for it is refused, not unknown.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	if err != nil || n < 1 {
		return false
	}
	err = syscall.Kill(n, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
