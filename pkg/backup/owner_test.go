package backup

import (
	"fmt"
	"io/fs"
	"syscall"
)

func ownerOf(fi fs.FileInfo) string {
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprint(st.Uid, ":", st.Gid)
}
