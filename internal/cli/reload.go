package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/certs"
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

// reload has Nginx load a configuration or certificate that it does not have
// yet, and makes sure that it did. A container that Compose has just made has it.
func (s *start) reload(ctx context.Context) error {
	id := s.want.Containers[compose.ServiceNginx]
	if id == "" || id != s.state.Containers[compose.ServiceNginx] || s.state.Nginx == s.want.Nginx {
		return nil
	}
	s.app.ui.Step("reloading nginx")
	if err := s.engine.Signal(ctx, id, "HUP"); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	code, _, err := s.engine.Exec(bounded, id, "sh", "-c", loadedScript, "sh", compose.Stamp(s.files))
	if err == nil && code != 0 {
		err = errNotLoaded
	}
	if err == nil {
		err = s.served(bounded)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	lines, _ := s.engine.LastLines(ctx, id, "15")
	return advice.With(&logError{err: err, log: indent(lines)}, "regctl logs nginx%s", dirFlag(s.d.Dir))
}

// served waits until the certificate on disk is the one that the port shows.
func (s *start) served(ctx context.Context) error {
	_, disk, err := s.d.certs().Live(s.d.cfg.Domain)
	if err != nil {
		return err
	}
	for {
		shown, err := certs.Served(ctx, s.d.dialAddr(), s.d.cfg.Domain)
		if err == nil && shown.Fingerprint == disk.Fingerprint {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: the certificate on disk is not the one served", errNotLoaded)
		case <-time.After(knockEvery):
		}
	}
}
