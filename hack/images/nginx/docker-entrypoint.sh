#!/bin/sh
# The official entrypoint first runs the scripts of /docker-entrypoint.d (templates, tuning), all of them optional. None
# is here.
set -e
exec "$@"
