package templates

import (
	"embed"
	"io/fs"
)

//go:embed schedule
var scheduleFiles embed.FS

// Schedule returns what has regctl run at fixed times, which pkg/schedule
// fills: service and timer of a systemd unit, and the block of a crontab.
func Schedule() fs.FS {
	sub, err := fs.Sub(scheduleFiles, "schedule")
	if err != nil {
		panic(err) // the embed directive above guarantees the directory
	}
	return sub
}
