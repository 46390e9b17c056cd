# shellcheck shell=bash disable=SC2154  # variables of lib.sh
# regctl.local/nginx: as the official nginx:*-alpine, from Debian's nginx and its njs module.

image_reference() { echo regctl.local/nginx:latest; }

image_build() {
	local into=$1 here=$2 hash=$3 list version njs packages
	local -a debs
	list=$(debian_fetch busybox-static ca-certificates nginx nginx-common libnginx-mod-http-js \
		libc6 libcrypt1 libpcre2-8-0 libssl3t64 zlib1g libzstd1 libxml2 liblzma5 tzdata)
	mapfile -t debs <<<"$list"
	rootfs_base "$into" "${debs[0]}" "${debs[1]}"
	debian_extract "$into" "${debs[@]:2}"
	version=$(debian_version "${debs[2]}")
	njs=$(debian_version "${debs[4]}")
	packages=$(debian_list "${debs[@]}")
	rootfs_check_libraries "$into" usr/sbin/nginx usr/lib/nginx/modules/ngx_http_js_module.so

	# Debian's way of configuring, which the official image does not have.
	rm -rf "$into"/etc/{default,logrotate.d,ufw} "$into"/usr/share/{apport,vim,nginx/modules-available} \
		"$into"/etc/nginx/{modules-available,modules-enabled,sites-available,sites-enabled,snippets,nginx.conf,proxy_params}
	mkdir -p "$into"/etc/nginx/conf.d "$into"/docker-entrypoint.d "$into"/var/log/nginx "$into"/var/cache/nginx
	install -m 0644 "$here/nginx.conf" "$into/etc/nginx/nginx.conf"
	install -m 0644 "$here/default.conf" "$into/etc/nginx/conf.d/default.conf"
	install -m 0755 "$here/docker-entrypoint.sh" "$into/docker-entrypoint.sh"
	ln -s /usr/lib/nginx/modules "$into/etc/nginx/modules"
	ln -s /dev/stdout "$into/var/log/nginx/access.log"
	ln -s /dev/stderr "$into/var/log/nginx/error.log"
	# Debian's binary keeps its temporary files in /var/lib/nginx where the official one has /var/cache/nginx. With the
	# link, a tmpfs on the latter is enough for a read-only container, as it is for the official image.
	rm -rf "$into/var/lib/nginx"
	ln -s ../cache/nginx "$into/var/lib/nginx"
	cat >>"$into/etc/passwd" <<<'nginx:x:101:101:nginx:/var/cache/nginx:/sbin/nologin'
	cat >>"$into/etc/group" <<<'nginx:x:101:nginx'

	sed -e "s/@RECIPE@/$hash/; s/@PACKAGES@/$packages/; s/@NGINX_VERSION@/$version/; s/@NJS_VERSION@/$njs/" \
		"$here/config.json" >"$into.json"
	rootfs_load "$into" "$into.json" regctl.local/nginx:latest "regctl.local/nginx:$version"
	say "regctl.local/nginx: nginx $version, njs $njs"
}
