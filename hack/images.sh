#!/usr/bin/env bash
# Builds the stand-in images: same layout and behaviour as the official ones, made where no registry can be reached.
#
#   hack/images.sh [--rebuild] [nginx|registry2|registry3|all]...
#
# An image whose recipe has not changed is left as it is (--rebuild fetches newer packages of the same suite all the same).
set -euo pipefail
# The files of an image are read by other users than the one who builds it.
umask 022

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=debian.sh
. "$root/hack/debian.sh"
# shellcheck source=images/rootfs.sh
. "$root/hack/images/rootfs.sh"

all_images=(nginx registry2 registry3)

# recipe_hash IMAGE prints the hash of everything that says how the image is made.
recipe_hash() {
	(
		cd "$root/hack"
		{
			echo "$1 $debian_suite $(uname -m)"
			cat debian.sh images/rootfs.sh images/"$1"/*
		} | sha256sum | cut -d ' ' -f 1
	)
}

# load_recipe IMAGE defines for it: image_reference, which prints its name, and
# image_build ROOT RECIPE_DIR HASH, which makes it in the empty directory ROOT.
load_recipe() {
	# shellcheck source=/dev/null
	. "$root/hack/images/$1/recipe.sh"
}

is_current() {
	local have_hash
	have_hash=$(docker image inspect --format '{{index .Config.Labels "io.regctl.recipe"}}' "$(load_recipe "$1" && image_reference)" 2>/dev/null) || return 1
	[ "$have_hash" = "$(recipe_hash "$1")" ]
}

# build_image IMAGE runs in a subshell, so that recipes do not meet and the scratch directory always goes.
build_image() (
	load_recipe "$1"
	scratch=$(mktemp -d "$build/image-$1.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	mkdir "$scratch/root"
	image_build "$scratch/root" "$root/hack/images/$1" "$(recipe_hash "$1")"
)

main() {
	local name rebuild=
	local -a wanted=() stale=()
	for name; do
		case $name in
		--rebuild) rebuild=yes ;;
		all) wanted+=("${all_images[@]}") ;;
		nginx | registry2 | registry3) wanted+=("$name") ;;
		*) die "$status_usage" "no stand-in image is called '$name'" "hack/images.sh [--rebuild] [nginx|registry2|registry3|all]" ;;
		esac
	done
	[ ${#wanted[@]} -gt 0 ] || wanted=("${all_images[@]}")

	engine_answers >/dev/null || die "$status_missing" "no Docker Engine answers" "hack/env.sh docker"
	stale_images
	[ ${#stale[@]} -gt 0 ] || return 0

	# One build at a time: a second caller waits, then finds the images made.
	mkdir -p "$build"
	exec 9>"$build/images.lock"
	flock 9
	stale_images
	[ -z "$rebuild" ] || rm -f "$debian_state/updated"
	for name in "${stale[@]}"; do build_image "$name"; done
	# What has lost its name to a newer build, unless a container still uses it.
	docker image prune --force --filter dangling=true --filter label=io.regctl.recipe >/dev/null
}

# stale_images fills main's `stale` with those of its `wanted` that have to be built.
stale_images() {
	stale=()
	for name in "${wanted[@]}"; do
		if [ -n "$rebuild" ] || ! is_current "$name"; then stale+=("$name"); fi
	done
}

main "$@"
