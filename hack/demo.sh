#!/usr/bin/env bash
# The main job, end to end: a registry on localhost, a user, a push and a pull with docker.
#
#   hack/demo.sh up     sets up what is missing, starts the registry and leaves it running
#   hack/demo.sh down   removes every trace of it
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

demo=$build/demo
registry_dir=$demo/registry
regctl=$root/bin/regctl
project=regctl-demo
# The demo's logins are kept apart from the person's own.
client=(docker --config "$demo/docker")

step() { printf '\n== %s\n' "$*"; }

# free_port FROM prints the first port from there on that nobody listens on.
free_port() {
	local port
	for ((port = $1; port < $1 + 100; port++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	die 1 "no free port from $1 on"
}

# answer KEY prints a value of the demo's regctl.yaml.
answer() { "$regctl" config -C "$registry_dir" | awk -F ': ' -v key="$1" '$1 == key { print $2 }'; }

up() {
	"$root/hack/env.sh" docker
	"$root/hack/env.sh" tools
	local images
	images=$("$root/hack/use-images.sh")
	local REGISTRY_IMAGE NGINX_IMAGE
	eval "$images"

	step "build bin/regctl"
	make -C "$root" --no-print-directory build

	local port
	if [ -e "$registry_dir/regctl.yaml" ]; then
		port=$(answer https_port)
	else
		port=$(free_port 8443)
	fi
	step "regctl init: a deployment in ${registry_dir#"$root"/}"
	"$regctl" init "$registry_dir" --domain localhost --https-port "$port" --project "$project" \
		--registry-image "$REGISTRY_IMAGE" --nginx-image "$NGINX_IMAGE"

	step "regctl up"
	"$regctl" up -C "$registry_dir"

	step "regctl user: a user named demo"
	local password verb=add
	! "$regctl" user ls -C "$registry_dir" | grep -qx demo || verb=passwd
	password=$("$regctl" user "$verb" demo -C "$registry_dir")

	step "regctl smoke"
	"$regctl" smoke -C "$registry_dir"

	step "docker login, push, pull"
	local image=localhost:$port/demo/hello:1 pushed pulled
	printf '%s' "$password" | "${client[@]}" login --username demo --password-stdin "localhost:$port"
	hello_image "$image"
	"${client[@]}" push "$image"
	pushed=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
	docker image rm "$image" >/dev/null
	"${client[@]}" pull "$image"
	pulled=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
	[ "$pushed" = "$pulled" ] || die 1 "pushed $pushed but pulled $pulled"

	step "it works; try it yourself"
	cat <<EOF
  export PATH=\$PATH:$root/bin REGCTL_DIR=$registry_dir
  regctl status
  regctl user add alice                        # prints alice's password once
  docker login -u alice localhost:$port
  docker tag $image localhost:$port/mine:1
  docker push localhost:$port/mine:1
  regctl logs --access -f

  user demo, password $password
  make demo-down    removes all of it
EOF
}

# hello_image REFERENCE makes a small image; nothing is pulled for it.
hello_image() {
	local dir=$demo/hello
	mkdir -p "$dir"
	printf 'hello from a registry of your own\n' >"$dir/hello.txt"
	tar -C "$dir" -c hello.txt | docker import - "$1" >/dev/null
}

down() {
	if [ -d "$demo" ]; then
		docker info >/dev/null 2>&1 || die "$status_missing" "no Docker Engine answers" "hack/env.sh docker"
		if [ -e "$registry_dir/docker-compose.yml" ]; then
			# The volume too: regctl itself never deletes it.
			docker compose -p "$project" -f "$registry_dir/docker-compose.yml" down --volumes --timeout 5
		fi
		# None is no error: the demo may have ended before it made one.
		docker image ls --format '{{.Repository}}:{{.Tag}}' |
			{ grep -E '^localhost:[0-9]+/(demo/hello|mine):1$' || true; } | xargs -r docker image rm >/dev/null
		rm -rf "$demo"
	fi
	echo "the demo is gone"
}

case "${1:-}" in
up) up ;;
down) down ;;
*) die "$status_usage" "one word is needed" "hack/demo.sh up|down" ;;
esac
