# shellcheck shell=bash disable=SC2154  # variables of lib.sh
# regctl.local/registry:3: as the official registry:3, compiled from the same module with the flags of its own Dockerfile.

registry3_version=v3.1.2
registry3_module=github.com/distribution/distribution/v3

image_reference() { echo regctl.local/registry:3; }

# registry3_compile DIR takes most of the time of all images together.
registry3_compile() {
	local bin=$1
	[ ! -x "$bin/registry" ] || return 0
	have go || die "$status_missing" "go is not installed, and regctl.local/registry:3 is compiled" "hack/env.sh tools"
	say "compiling registry $registry3_version (minutes on a machine that has built little Go)"
	mkdir -p "$bin"
	# Flags meant for this repository's own build must not reach another module's.
	GOFLAGS='' GOBIN=$bin CGO_ENABLED=0 go install -trimpath \
		-ldflags "-s -w -X $registry3_module/version.version=${registry3_version#v}" \
		"$registry3_module/cmd/registry@$registry3_version" 2>"$bin/build.log" || {
		tail -n 20 "$bin/build.log" >&2
		die "$status_missing" "registry $registry3_version did not compile (the whole output: $bin/build.log)"
	}
}

image_build() {
	local into=$1 here=$2 hash=$3 list packages bin
	local -a debs
	list=$(debian_fetch busybox-static ca-certificates)
	mapfile -t debs <<<"$list"
	bin=$build/registry3/$(sha256sum <"$here/recipe.sh" | cut -c 1-16)
	registry3_compile "$bin"
	rootfs_base "$into" "${debs[@]}"
	packages="$(debian_list "${debs[@]}") $registry3_module@$registry3_version"
	install -m 0755 "$bin/registry" "$into/usr/bin/registry"
	install -D -m 0644 "$here/config.yml" "$into/etc/distribution/config.yml"
	install -m 0755 "$here/entrypoint.sh" "$into/entrypoint.sh"
	mkdir "$into/var/lib/registry"

	sed -e "s/@RECIPE@/$hash/; s|@PACKAGES@|$packages|" "$here/config.json" >"$into.json"
	rootfs_load "$into" "$into.json" regctl.local/registry:3
	say "regctl.local/registry:3: registry $registry3_version"
}
