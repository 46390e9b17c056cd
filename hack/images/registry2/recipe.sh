# shellcheck shell=bash disable=SC2154  # variables of lib.sh
# regctl.local/registry:2: as the official registry:2, from Debian's docker-registry (the same sources, linked to libc).

image_reference() { echo regctl.local/registry:2; }

image_build() {
	local into=$1 here=$2 hash=$3 list version packages
	local -a debs
	list=$(debian_fetch busybox-static ca-certificates docker-registry libc6)
	mapfile -t debs <<<"$list"
	rootfs_base "$into" "${debs[0]}" "${debs[1]}"
	debian_extract "$into" "${debs[@]:2}"
	version=$(debian_version "${debs[2]}")
	packages=$(debian_list "${debs[@]}")
	mv "$into/usr/bin/docker-registry" "$into/usr/bin/registry"
	rootfs_check_libraries "$into" usr/bin/registry

	rm -rf "$into/var/lib/docker-registry" "$into/etc/docker/registry"
	install -D -m 0644 "$here/config.yml" "$into/etc/docker/registry/config.yml"
	install -m 0755 "$here/entrypoint.sh" "$into/entrypoint.sh"
	mkdir "$into/var/lib/registry"

	sed -e "s/@RECIPE@/$hash/; s/@PACKAGES@/$packages/" "$here/config.json" >"$into.json"
	rootfs_load "$into" "$into.json" regctl.local/registry:2
	say "regctl.local/registry:2: registry $version"
}
