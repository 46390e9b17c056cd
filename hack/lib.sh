# shellcheck shell=bash disable=SC2034  # used by the scripts that source this
# Sourced by the scripts beside it: where things are, and how a message looks.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that can be made again: logs, caches, temporary files. `make clean` removes it.
build=$root/build

say() { printf '%s\n' "$*" >&2; }

# die STATUS MESSAGE [HINT]... ends as regctl itself does: one error line, then what to type next.
die() {
	local status=$1 hint
	say "error: $2"
	shift 2
	for hint; do say "hint: $hint"; done
	exit "$status"
}

# The statuses of regctl's own table that these scripts use.
readonly status_failed=1 status_usage=2 status_missing=5

have() { command -v "$1" >/dev/null 2>&1; }
# engine_answers prints the Engine's version; bounded, since a daemon can accept and then hang.
engine_answers() { timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }
is_root() { [ "$(id -u)" -eq 0 ]; }
