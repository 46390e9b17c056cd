# shellcheck shell=bash disable=SC2154  # variables of lib.sh
# Sourced after lib.sh and debian.sh: what every stand-in image has in common with the official, Alpine-based ones.

# rootfs_base ROOT BUSYBOX_DEB CERTIFICATES_DEB makes a small root file system: users, temporary directories, CA
# certificates, and busybox under every name it answers to (a shell, wget and nc for health checks, find, du, df).
rootfs_base() {
	local into=$1 dir applet
	mkdir -p "$into"/{usr/{bin,sbin,lib,lib64},etc/ssl/certs,dev,proc,sys,run,root,home,tmp,var/{cache,lib,log,tmp}}
	chmod 1777 "$into"/tmp "$into"/var/tmp
	chmod 0700 "$into"/root
	for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$into/$dir"; done
	ln -s ../run "$into/var/run"

	debian_extract "$into" "$2" "$3"
	# busybox is static and of this machine's architecture, so it can be asked here for its own list.
	while IFS= read -r applet; do
		applet=usr/${applet#usr/}
		[ -e "$into/$applet" ] || ln -s /bin/busybox "$into/$applet"
	done < <("$into/usr/bin/busybox" --list-full | grep -E '^(usr/)?s?bin/' | grep -v '/busybox$')

	cat "$into"/usr/share/ca-certificates/mozilla/*.crt >"$into/etc/ssl/certs/ca-certificates.crt"
	ln -s certs/ca-certificates.crt "$into/etc/ssl/cert.pem"
	rm -rf "$into"/usr/share/{ca-certificates,initramfs-tools,doc} "$into/usr/sbin/update-ca-certificates" "$into/etc/ca-certificates"

	cat >"$into/etc/passwd" <<-'ETC'
		root:x:0:0:root:/root:/bin/sh
		nobody:x:65534:65534:nobody:/:/sbin/nologin
	ETC
	cat >"$into/etc/group" <<-'ETC'
		root:x:0:root
		tty:x:5:
		nogroup:x:65533:
		nobody:x:65534:
	ETC
	# /etc/hosts before DNS, for programs that resolve by themselves (Go) as for those that ask libc.
	echo 'hosts: files dns' >"$into/etc/nsswitch.conf"
	echo 'regctl stand-in image' >"$into/etc/issue"
}

# rootfs_check_libraries ROOT FILE... fails when a program or module of ROOT needs a library that ROOT lacks.
rootfs_check_libraries() {
	local into=$1 file loader missing
	shift
	loader=$(find "$into/usr/lib" -name 'ld-linux*.so*' -type f | head -n 1)
	for file; do
		missing=$("$loader" --library-path "$(dirname "$loader")" --list "$into/$file" 2>&1 | grep 'not found' || true)
		[ -z "$missing" ] || die "$status_failed" "the image lacks what $file needs: $missing"
	done
}

# rootfs_load ROOT CONFIG REFERENCE... makes a Docker image of a directory and an image configuration (JSON, as the image
# specification has it). ROOT.archive is used on the way. The image is written as `docker save` would have written it: `docker import --change`, the plainer way,
# refuses STOPSIGNAL on Engine 20.10, and without it `docker stop` would cut Nginx's connections.
rootfs_load() {
	local from=$1 config=$2 archive name digest references=
	shift 2
	archive=$from.archive
	mkdir "$archive"
	# The owner is set here and not on the files, so that no root is needed to build.
	tar -C "$from" --sort=name --numeric-owner --owner=0 --group=0 -cf "$archive/layer.tar" .
	digest=$(sha256sum "$archive/layer.tar" | cut -d ' ' -f 1)
	cat >"$archive/config.json" <<-JSON
		{
		  "architecture": "$(docker version --format '{{.Server.Arch}}')",
		  "os": "linux",
		  "created": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
		  "config": $(<"$config"),
		  "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]},
		  "history": [{"comment": "regctl stand-in"}]
		}
	JSON
	for name; do references+="${references:+, }\"$name\""; done
	printf '[{"Config": "config.json", "RepoTags": [%s], "Layers": ["layer.tar"]}]\n' "$references" >"$archive/manifest.json"
	tar -C "$archive" -c . | docker load --quiet >/dev/null
}
