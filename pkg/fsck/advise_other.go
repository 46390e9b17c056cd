//go:build !linux

package fsck

import "os"

func sequential(*os.File) {}

func willNeed(*os.File, int64) {}
