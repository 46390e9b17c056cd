#!/usr/bin/env bash
# Says which images a demonstration runs on: the official ones when they are here or can be pulled in a short time, else
# the stand-ins, built if need be. Prints two lines to be read by make or `eval`; everything else goes to stderr.
#
#   REGISTRY_IMAGE=registry:3.1.2
#   NGINX_IMAGE=nginx:1.30.6-alpine
#
# REGCTL_OFFICIAL_REGISTRY and REGCTL_OFFICIAL_NGINX name other official ones; REGCTL_STANDIN=1 wants the stand-ins.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pull_seconds=60
pull_failed=${REGCTL_STANDIN:+yes}

# official_usable REFERENCE: here already, or pulled now. One failed pull is enough to stop trying.
official_usable() {
	local message
	[ -z "${REGCTL_STANDIN:-}" ] || return 1
	! docker image inspect "$1" >/dev/null 2>&1 || return 0
	[ -z "$pull_failed" ] || return 1
	say "pulling $1"
	! message=$(timeout "$pull_seconds" docker pull --quiet "$1" 2>&1 >/dev/null) || return 0
	pull_failed=yes
	say "$1 cannot be pulled (${message:-not done within $pull_seconds s}); using the stand-in"
	return 1
}

main() {
	local registry=${REGCTL_OFFICIAL_REGISTRY:-registry:3.1.2} nginx=${REGCTL_OFFICIAL_NGINX:-nginx:1.30.6-alpine}
	local -a standins=()
	[ $# -eq 0 ] || die "$status_usage" "no argument is taken" "hack/use-images.sh"
	engine_answers >/dev/null || die "$status_missing" "no Docker Engine answers" "hack/env.sh docker"
	official_usable "$registry" || {
		registry=regctl.local/registry:3
		standins+=(registry3)
	}
	official_usable "$nginx" || {
		nginx=regctl.local/nginx:latest
		standins+=(nginx)
	}
	[ ${#standins[@]} -eq 0 ] || "$root/hack/images.sh" "${standins[@]}" >&2
	printf 'REGISTRY_IMAGE=%s\nNGINX_IMAGE=%s\n' "$registry" "$nginx"
}

main "$@"
