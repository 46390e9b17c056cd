package cli

import (
	"context"
	"errors"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
)

// reloadTimeout bounds a reload. It takes tenths of a second.
const reloadTimeout = 20 * time.Second

// loadedScript asks Nginx, from inside its container, which configuration it
// answers with. For a moment after a reload old and new workers both accept, so
// only several answers in a row tell that the old ones are gone.
const loadedScript = `seen=0 tries=0
while [ $tries -lt 150 ]; do
  tries=$((tries + 1))
  if [ "$(wget -q -O - http://127.0.0.1:8080/stamp 2>/dev/null)" = "$1" ]; then
    seen=$((seen + 1))
    [ $seen -ge 6 ] && exit 0
  else
    seen=0
  fi
  sleep 0.05
done
exit 1`

// errNotLoaded says that Nginx goes on with the configuration before.
var errNotLoaded = errors.New("nginx did not load its new configuration and goes on with the one before")

// reload has Nginx load its configuration and certificate, and makes sure that
// it did; what is under way goes on.
func (s *start) reload(ctx context.Context) error {
	s.app.ui.Step("reloading nginx")
	id := s.want.Containers[compose.ServiceNginx]
	if err := s.engine.Signal(ctx, id, "HUP"); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	code, _, err := s.engine.Exec(bounded, id, "sh", "-c", loadedScript, "sh", compose.Stamp(s.files))
	if err == nil && code != 0 {
		err = errNotLoaded
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	lines, _ := s.engine.LastLines(ctx, id, "15")
	return advice.With(&logError{err: err, log: indent(lines)}, "regctl logs nginx%s", dirFlag(s.d.Dir))
}
