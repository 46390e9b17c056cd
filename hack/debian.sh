# shellcheck shell=bash disable=SC2154  # variables of lib.sh
# Sourced after lib.sh: Debian packages of one fixed suite, fetched and verified by apt itself into a cache under the
# build directory, never installed. The machine may run another suite; its own package state is not touched, and root is
# not needed. (A package's files are all that is wanted, and this takes 3 s where a bootstrapped root takes 16.)

debian_suite=trixie
debian_state=$build/debian/$debian_suite

debian_have() { have apt-get && have dpkg-deb && have dpkg; }

# debian_mirrors prints the mirrors to try, one a line. They are apt's own, so that whoever configured this machine has
# chosen them (a proxy, a mirror list file and credentials work too), and no host name stands here.
# --no-release-info makes apt answer before any `apt-get update`; without it, it knows only what it has downloaded.
debian_mirrors() {
	if [ -n "${REGCTL_DEBIAN_MIRROR:-}" ]; then
		printf '%s\n' "$REGCTL_DEBIAN_MIRROR"
		return
	fi
	# shellcheck disable=SC2016  # apt's own placeholders
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
		awk '$1 !~ /^cdrom:/ && $3 == "main" && $2 ~ /^(bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)$/ && !seen[$1]++ { print $1 }'
}

debian_apt() {
	local tool=$1
	shift
	# -c is read after the machine's own settings, which is what lets it clear hooks that others installed there.
	LC_ALL=C "$tool" -c "$debian_state/apt.conf" -qq "$@"
}

debian_keyring() {
	local keyring
	for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
		if [ -r "$keyring" ]; then
			printf '%s\n' "$keyring"
			return
		fi
	done
	die "$status_missing" "no keyring to verify Debian's packages with" "apt-get install debian-archive-keyring"
}

# debian_update points the cache at the first mirror that has the suite, signed by Debian.
debian_update() {
	local mirror keyring arch tried=0
	debian_have || die "$status_missing" "Debian's apt is not on this machine, and the stand-in images are made of Debian packages" \
		"pull the official images, or load them with: docker load -i FILE"
	keyring=$(debian_keyring)
	arch=$(dpkg --print-architecture)
	mkdir -p "$debian_state"/{lists,archives}/partial
	: >"$debian_state/status"
	cat >"$debian_state/apt.conf" <<-CONF
		Dir::State "$debian_state";
		Dir::State::lists "$debian_state/lists";
		Dir::State::status "$debian_state/status";
		Dir::Cache "$debian_state";
		Dir::Cache::archives "$debian_state/archives";
		// Some machines (container images) turn apt's own cache off, which makes every call read the whole list again.
		Dir::Cache::pkgcache "$debian_state/pkgcache.bin";
		Dir::Cache::srcpkgcache "$debian_state/srcpkgcache.bin";
		Dir::Etc::sourcelist "$debian_state/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Architecture "$arch";
		// The download user of apt cannot enter a build directory in someone's home.
		APT::Sandbox::User "root";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	CONF
	while IFS= read -r mirror; do
		tried=$((tried + 1))
		printf 'deb [signed-by=%s arch=%s lang=none target=Packages] %s %s main\n' "$keyring" "$arch" "$mirror" "$debian_suite" \
			>"$debian_state/sources.list"
		if debian_apt apt-get -o Acquire::Retries=2 -o APT::Update::Error-Mode=any update 2>"$debian_state/update.log"; then
			date +%s >"$debian_state/updated"
			return
		fi
	done < <(debian_mirrors)
	rm -f "$debian_state/updated"
	if [ "$tried" -eq 0 ]; then
		die "$status_missing" "apt on this machine knows no Debian mirror" "set REGCTL_DEBIAN_MIRROR to the URL of one"
	fi
	tail -n 5 "$debian_state/update.log" >&2
	die "$status_missing" "no Debian mirror of this machine gives the package lists of $debian_suite" \
		"set REGCTL_DEBIAN_MIRROR to the URL of one that does"
}

# debian_fetch PACKAGE... downloads what the cache lacks and prints the path of each package file, in the order asked for.
debian_fetch() {
	local day=86400 updated=0
	mkdir -p "$debian_state"
	(
		# apt fails at once when another holds its lists; two callers at a time are ordinary here.
		exec 8>"$debian_state/lock"
		flock 8
		[ ! -f "$debian_state/updated" ] || updated=$(<"$debian_state/updated")
		[ $(($(date +%s) - updated)) -lt "$day" ] || debian_update >&2
		cd "$debian_state/archives" || exit
		# apt-get download keeps a file whose checksum is right. It fails when the lists are older than the mirror.
		if ! debian_apt apt-get download "$@" >/dev/null 2>&1; then
			debian_update >&2
			debian_apt apt-get -o Acquire::Retries=2 download "$@" >&2 ||
				die "$status_missing" "these packages of Debian $debian_suite cannot be downloaded: $*"
		fi
		# Asked in another directory, since it leaves out what the current one holds already.
		cd partial || exit
		debian_apt apt-get download --print-uris "$@" | awk -v dir="$debian_state/archives" -v names="$*" '
			{ file[substr($2, 1, index($2, "_") - 1)] = $2 }
			END { n = split(names, name, " "); for (i = 1; i <= n; i++) print dir "/" file[name[i]] }'
	)
}

# debian_extract ROOT FILE... lays the files of packages into a directory, without running their scripts.
debian_extract() {
	local into=$1 file
	shift
	for file; do
		# Without --keep-directory-symlink a package's ./lib directory would replace the link lib -> usr/lib.
		dpkg-deb --fsys-tarfile "$file" | tar -x -C "$into" --keep-directory-symlink --no-same-owner \
			--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
			--exclude='./usr/share/lintian' --exclude='./usr/lib/*/gconv' --exclude='./usr/lib/systemd' --exclude='./etc/init.d'
	done
}

# debian_list FILE... prints package=version of each, in one line.
debian_list() {
	local file list=
	for file; do
		# shellcheck disable=SC2016  # dpkg's own placeholders
		list+="${list:+ }$(dpkg-deb -W --showformat '${Package}=${Version}' "$file")"
	done
	printf '%s\n' "$list"
}

# debian_version FILE prints a package file's upstream version: 1.26.3 for 1:1.26.3-3+deb13u10.
debian_version() {
	dpkg-deb -f "$1" Version | sed -E 's/^[0-9]+://; s/-[^-]*$//; s/[+~].*$//'
}
