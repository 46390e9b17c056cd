package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/regctl/regctl/pkg/engine"
)

// measureTimeout bounds an engine that is slow; the script has a bound of its own.
const measureTimeout = 3 * time.Second

// countTime is how long the script may count, in seconds: with all else that status
// asks it makes less than one.
const countTime = "0.7"

// measureScript counts what lies on the volume with what both registry images
// have. A link named current/link under _manifests/tags is a tag; a directory
// _manifests a repository. The line "bytes" comes last, and is cut off with what
// is not counted in time.
const measureScript = `cd /var/lib/registry || exit 1
df -Pk . | awk 'NR==2 {print "disk", $2, $4}'
[ -d docker/registry/v2/repositories ] || { echo "repositories 0"; echo "tags 0"; echo "kib 0"; exit 0; }
cd docker/registry/v2
echo "repositories $(find repositories -type d -name _manifests | wc -l)"
echo "tags $(find repositories -type f -path '*/_manifests/tags/*/current/link' | wc -l)"
echo "kib $(du -sk . | cut -f1)"
`

// measure looks what lies on the volume, as far as that is a matter of a second.
// What takes longer was counted by the last collection.
func (a *App) measure(ctx context.Context, e *engine.Client, d *deployment, id string) (*storageStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	_, out, err := e.Exec(ctx, id, "timeout", countTime, "sh", "-c", measureScript)
	if err != nil {
		return nil, err
	}
	s, err := measured(out, a.Now())
	if err != nil || s.live {
		return s, err
	}
	var last struct {
		At     time.Time `json:"at"`
		Result gcResult  `json:"result"`
	}
	if readJSON(d.Path(lastFile("gc")), &last) == nil && !last.At.IsZero() {
		s.Repositories, s.Tags, s.Bytes, s.Counted = &last.Result.Repositories, &last.Result.Tags.Kept, &last.Result.Bytes.Kept, &last.At
	}
	return s, nil
}

// measured reads what the script said, also when it was ended.
func measured(out string, now time.Time) (*storageStatus, error) {
	var s storageStatus
	var repositories, tags int
	var size int64
	seen := 0
	for line := range strings.Lines(out) {
		var name string
		var x, y int64
		if n, _ := fmt.Sscan(line, &name, &x, &y); n < 2 {
			continue
		}
		seen++
		switch name {
		case "disk":
			s.DiskTotal, s.DiskFree = x<<10, y<<10
		case "kib":
			size = x << 10
		case "repositories":
			repositories = int(x)
		case "tags":
			tags = int(x)
		default:
			seen--
		}
	}
	if s.DiskTotal == 0 {
		return nil, fmt.Errorf("counting on the volume gave %q", out)
	}
	if s.live = seen == 4; s.live {
		s.Repositories, s.Tags, s.Bytes, s.Counted = &repositories, &tags, &size, &now
	}
	return &s, nil
}
