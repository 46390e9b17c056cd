#!/bin/sh
# build.sh OUT: builds the OCI distribution-spec conformance runner (OUT/conformance) and the program that reduces its
# reports to a list of verdicts (OUT/verdicts). Versions and hashes are pinned by go.mod and go.sum beside this script, a
# module of its own so that nothing of it reaches the dependencies of regctl. Does nothing when OUT is up to date.
set -eu

[ $# -eq 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

pkg=github.com/opencontainers/distribution-spec/conformance
# What the binaries depend on; by content, because a checkout gives every file a new time.
stamp=$( { go version; cat build.sh go.mod go.sum verdicts/*.go; } | sha256sum)
if [ -x "$out/conformance" ] && [ -x "$out/verdicts" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi

# The environment of the caller must not reach the binaries: a workspace, -mod, -race or a C compiler.
export GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=0
version=$(go list -m -f '{{.Version}}' "$pkg")
tmp=$(mktemp -d "$out/.build.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
go build -trimpath -buildvcs=false -ldflags "-s -w -X main.Version=$version" -o "$tmp/conformance" "$pkg"
go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$tmp/verdicts" ./verdicts
# Renames, so that a test running beside this one never meets half a binary.
mv -f "$tmp/conformance" "$tmp/verdicts" "$out/"
printf '%s\n' "$stamp" >"$tmp/stamp"
mv -f "$tmp/stamp" "$out/stamp"
