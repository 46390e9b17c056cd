#!/usr/bin/env bash
# Makes sure of what this repository needs on a machine; says nothing and takes no time when all is there.
#
#   hack/env.sh [docker] [tools] [bench]      (without a word: docker)
#
#   docker   a Docker Engine that answers, and Compose v2 or later as `docker compose`
#   tools    Go, make, and the programs that the tests call
#   bench    what `make bench` compares with
#
# On Debian and Ubuntu, as root, it installs what is missing; elsewhere it says what is missing. It never asks.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=debian.sh
. "$root/hack/debian.sh"

# What the tests call, as program:package. Add to it here.
tools=(
	make:make
	git:git
	curl:curl
	jq:jq
	openssl:openssl
	htpasswd:apache2-utils
	skopeo:skopeo
	ctr:containerd
	mkfs.ext4:e2fsprogs
	crontab:cron
	systemd-analyze:systemd
)
# What the benchmarks compare with.
rivals=(restic:restic)
go_minimum=1.26

# dockerd and mkfs.ext4 are the administrator's and not in everyone's PATH.
PATH=$PATH:/usr/sbin:/sbin

# --- packages of this machine ---

apt_usable() { is_root && have apt-get && have dpkg; }

apt_run() { DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -qq -o DPkg::Lock::Timeout=120 "$@"; }

# apt_update runs once, however many parts of this script need it.
apt_updated=
apt_update() {
	[ -z "$apt_updated" ] || return 0
	say "updating the package lists"
	apt_run update >&2 || die "$status_missing" "apt-get update failed"
	apt_updated=yes
}

# apt_candidate PACKAGE prints the version that would be installed; nothing if there is none.
apt_candidate() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" { print $2 }'; }

apt_install() {
	local log=$build/apt-install.log
	say "installing $*"
	mkdir -p "$build"
	apt_run install --yes --no-install-recommends "$@" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "$status_missing" "apt-get could not install: $*"
	}
}

# --- Docker Engine ---

local_host=unix:///var/run/docker.sock

# wait_for_engine SECONDS [PID] gives up early when the process PID has ended.
wait_for_engine() {
	local end=$((SECONDS + $1)) pid=${2:-}
	until engine_answers >/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		[ -z "$pid" ] || kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.3
	done
}

# engine_elsewhere ends the script where starting an Engine on this machine would not help the one who called it.
engine_elsewhere() {
	local host=${DOCKER_HOST:-$local_host} context socket
	if [ "$host" != "$local_host" ]; then
		die "$status_missing" "no Docker Engine answers at DOCKER_HOST=$host" "unset DOCKER_HOST to use the one of this machine"
	fi
	context=$(timeout 10 docker context show 2>/dev/null || echo default)
	if [ "$context" != default ]; then
		die "$status_missing" "no Docker Engine answers in the docker context '$context'" "docker context use default"
	fi
	socket=${local_host#unix://}
	if [ -S "$socket" ] && ! [ -w "$socket" ]; then
		die "$status_missing" "no permission on $socket, Docker's socket" \
			"sudo usermod -aG docker $(id -un), then log in again (that group is as good as root)"
	fi
}

# engine_installed: the client, and a daemon that can be started.
engine_installed() {
	have docker || return 1
	have dockerd || { [ -d /run/systemd/system ] && systemctl cat docker.service >/dev/null 2>&1; }
}

install_engine() {
	apt_usable || die "$status_missing" "Docker Engine is not installed" \
		"install Docker Engine and its Compose plugin from your distribution, or on Debian and Ubuntu: sudo hack/env.sh docker"
	apt_update
	local -a packages=(docker.io iptables ca-certificates)
	# From Debian 13 on the client is a package of its own, only recommended by the daemon's.
	[ -z "$(apt_candidate docker-cli)" ] || packages+=(docker-cli)
	# Where the kernel enforces AppArmor, the daemon needs its parser to start any container.
	if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then packages+=(apparmor); fi
	[ -n "$(apt_candidate docker.io)" ] || die "$status_missing" "this distribution has no package docker.io" \
		"install Docker Engine as its own documentation says"
	apt_install "${packages[@]}"
}

# last_words shows the end of the daemon's log, without its many lines of mere information.
last_words() { grep -v ' level=info ' | tail -n 10 >&2 || true; }

# start_engine tries the machine's own way first, so that what is started here is also stopped and restarted that way.
start_engine() {
	local log=$build/dockerd.log message
	is_root || die "$status_missing" "Docker Engine is installed and does not answer" "sudo hack/env.sh docker"
	if [ -d /run/systemd/system ]; then
		say "starting Docker Engine (systemd)"
		# systemd waits until the daemon says that it is ready.
		systemctl start docker >&2 && wait_for_engine 30 && return
		journalctl --unit docker --lines 60 --no-pager --output cat | last_words
		die "$status_missing" "Docker Engine does not start" "journalctl -u docker"
	fi
	if [ -x /etc/init.d/docker ] && have service; then
		say "starting Docker Engine (service)"
		if message=$(service docker start 2>&1 </dev/null) && wait_for_engine 30; then return; fi
		# Init scripts set limits and mount control groups, which a container or a rescue system may refuse them.
		say "the service does not start: ${message:-nothing said}"
	fi
	say "starting Docker Engine (dockerd, log in $log)"
	mkdir -p "$build"
	setsid dockerd >"$log" 2>&1 </dev/null &
	if ! wait_for_engine 30 $!; then
		last_words <"$log"
		die "$status_missing" "Docker Engine does not start" "read $log"
	fi
}

ensure_engine() {
	! engine_answers >/dev/null || return 0
	if have docker; then engine_elsewhere; fi
	if ! engine_installed; then
		install_engine
		# The package starts its own daemon, where the machine lets it.
		! wait_for_engine 5 || return 0
	fi
	start_engine
}

# --- Docker Compose ---

# compose_current is true for Compose v2 or later as a plugin. The Python program docker-compose 1.x does not count.
compose_current() {
	local version
	version=$(timeout 10 docker compose version --short 2>/dev/null) || return 1
	version=${version#v}
	[ "${version%%.*}" -ge 2 ] 2>/dev/null
}

# compose_package prints the package of this machine's suite that holds Compose v2 or later, if there is one. Its name
# differs: docker-compose-plugin is Docker's own, docker-compose-v2 Ubuntu's, docker-compose Debian's (1.x before 13).
compose_package() {
	local name version
	for name in docker-compose-plugin docker-compose-v2 docker-compose; do
		version=$(apt_candidate "$name")
		if [ -n "$version" ] && dpkg --compare-versions "$version" ge 2; then
			printf '%s\n' "$name"
			return
		fi
	done
}

# compose_from_newer_debian takes the plugin, one static program, out of the package of a newer Debian.
compose_from_newer_debian() {
	local plugins list scratch
	if is_root; then plugins=/usr/local/lib/docker/cli-plugins; else plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins; fi
	say "installing Compose from Debian $debian_suite into $plugins"
	list=$(debian_fetch docker-compose)
	scratch=$(mktemp -d "$build/compose.XXXXXX")
	dpkg-deb --fsys-tarfile "$list" | tar -x -C "$scratch" ./usr/libexec/docker/cli-plugins/docker-compose
	(umask 022 && mkdir -p "$plugins")
	# Under another name first: a half-written plugin must never be found.
	install -m 0755 "$scratch/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/.docker-compose.new"
	mv "$plugins/.docker-compose.new" "$plugins/docker-compose"
	rm -rf "$scratch"
}

ensure_compose() {
	local package
	! compose_current || return 0
	if apt_usable; then
		apt_update
		package=$(compose_package)
		if [ -n "$package" ]; then
			apt_install "$package"
			compose_current || die "$status_missing" "$package is installed, and 'docker compose' still does not work"
			return
		fi
	fi
	debian_have || die "$status_missing" "Docker Compose v2 is not installed" "install your distribution's Compose plugin for docker"
	compose_from_newer_debian
	compose_current || die "$status_missing" "Compose is installed, and 'docker compose' still does not work" "docker compose version"
}

# --- tools ---

# ensure_programs PART PROGRAM:PACKAGE... installs what is missing.
ensure_programs() {
	local part=$1 tool
	local -a missing=()
	shift
	for tool; do
		have "${tool%%:*}" || missing+=("${tool#*:}")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		apt_usable || die "$status_missing" "not installed: ${missing[*]}" "on Debian and Ubuntu: sudo hack/env.sh $part"
		apt_update
		apt_install "${missing[@]}"
	fi
}

ensure_tools() {
	ensure_programs tools "${tools[@]}"
	ensure_go
}

# ensure_go only looks: Go's own download is the one that is new enough on every distribution, and it is not ours to pick.
ensure_go() {
	local version
	have go || die "$status_missing" "go is not in PATH" "install Go $go_minimum or newer as the Go project's documentation says"
	# Without `local`, an older Go would fetch a newer one at this very question.
	version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null || true)
	version=${version#go}
	printf '%s\n%s\n' "$go_minimum" "$version" | sort --check=quiet --version-sort ||
		die "$status_missing" "go ${version:-of unknown version} is too old" "install Go $go_minimum or newer as the Go project's documentation says"
}

main() {
	local part
	[ $# -gt 0 ] || set -- docker
	for part; do
		case $part in
		docker | tools | bench) ;;
		*) die "$status_usage" "'$part' is not something to make sure of" "hack/env.sh [docker] [tools] [bench]" ;;
		esac
	done
	for part; do
		case $part in
		docker)
			ensure_engine
			ensure_compose
			;;
		tools) ensure_tools ;;
		bench) ensure_programs bench "${rivals[@]}" ;;
		esac
	done
}

main "$@"
