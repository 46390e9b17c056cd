package cli

import (
	"context"
	"errors"
	"time"

	"github.com/regctl/regctl/pkg/advice"
	"github.com/regctl/regctl/pkg/compose"
	"github.com/regctl/regctl/pkg/engine"
)

// reloadTimeout bounds a reload. It takes up to some seconds.
const reloadTimeout = 30 * time.Second

// reloadScript has Nginx load what lies on its disk, from inside its container:
//
//	reloadScript FILE STAMP
//
// Workers that are told to end close the connections on which they await a
// request, and one that arrives just then is lost. So answers first end their
// connections (FILE, see closing.js), until none waits or for three seconds: who
// has been silent for so long hardly speaks in that very instant.
//
// It is done when a new worker answers with STAMP and every old one has stopped
// to accept: until then either may answer. If the new configuration cannot be
// loaded, neither happens.
const reloadScript = `closing=$1 stamp=$2
master=$(cat /run/nginx.pid) || exit 1
old=
for stat in /proc/[0-9]*/stat; do
  read -r pid name state parent rest <"$stat" 2>/dev/null && [ "$parent" = "$master" ] && old="$old $pid"
done
trap 'rm -f "$closing"' EXIT
: >"$closing"
ask() { wget -q -O - "http://127.0.0.1:8080/$1" 2>/dev/null; }
tries=0
while [ $tries -lt 60 ]; do
  tries=$((tries + 1))
  case $(ask connections) in *"Waiting: 0"*) break ;; esac
  sleep 0.05
done
kill -HUP "$master" || exit 1
accepts() {
  for pid in $old; do
    title=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")
    case $title in '' | *'shutting down'*) ;; *) return 0 ;; esac
  done
  return 1
}
tries=0
while [ $tries -lt 200 ]; do
  tries=$((tries + 1))
  answer=$(ask stamp)
  case " $old " in
  *" ${answer#* } "*) ;;
  *) [ "${answer% *}" = "$stamp" ] && ! accepts && exit 0 ;;
  esac
  sleep 0.05
done
exit 1`

// errNotLoaded says that Nginx goes on with the configuration before.
var errNotLoaded = errors.New("nginx did not load its new configuration and goes on with the one before")

// reload has Nginx load the rendered files, and the certificate with them.
func (s *start) reload(ctx context.Context) error {
	return s.app.reloadNginx(ctx, s.engine, s.d, s.want.Containers[compose.ServiceNginx], compose.Stamp(s.files))
}

// reloadNginx has Nginx load its configuration and certificate, and makes sure
// that it did. What is under way goes on, and no request is lost. The stamp is
// that of the configuration to load.
func (a *App) reloadNginx(ctx context.Context, e *engine.Client, d *deployment, container, stamp string) error {
	a.ui.Step("reloading nginx")
	bounded, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	code, _, err := e.Exec(bounded, container, "sh", "-c", reloadScript, "sh", compose.ClosingPath, stamp)
	if err == nil && code != 0 {
		err = errNotLoaded
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	lines, _ := e.LastLines(ctx, container, "15")
	return advice.With(&logError{err: err, log: indent(lines)}, "regctl logs nginx%s", dirFlag(d.Dir))
}
