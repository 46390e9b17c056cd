#!/bin/sh
# run.sh RESULTS: runs the conformance tests against a registry and prints the verdicts, sorted, on stdout.
# RESULTS, a directory, keeps the runner's reports: report.html is the one to read when a verdict surprises.
#
# From the environment (README.md): OCI_REGISTRY, OCI_TLS, OCI_USERNAME, OCI_PASSWORD, OCI_REPO1, OCI_REPO2,
# SSL_CERT_FILE, CONFORMANCE_BIN, CONFORMANCE_TIMEOUT.
#
# Exit status: 0 the tests ran, whatever the verdicts; 1 they did not run; 2 usage; 124 they did not end in time.
set -eu

if [ $# -ne 1 ] || [ -z "${OCI_REGISTRY:-}" ]; then
	echo "usage: OCI_REGISTRY=HOST[:PORT] run.sh RESULTS" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
bin=${CONFORMANCE_BIN:-$here/../../build/conformance}

# Go passes over a CA file that it cannot read, and every test would then fail for a reason that no report names.
if [ -n "${SSL_CERT_FILE:-}" ] && [ ! -r "$SSL_CERT_FILE" ]; then
	echo "run.sh: SSL_CERT_FILE: cannot read $SSL_CERT_FILE" >&2
	exit 1
fi

# New names for each run: registry 2.8 cannot delete a tag, and the tags that an earlier run left behind change verdicts.
repo=conformance/$(date +%Y%m%d%H%M%S)-$$
export OCI_REPO1="${OCI_REPO1:-$repo/repo1}" OCI_REPO2="${OCI_REPO2:-$repo/repo2}"

"$here/build.sh" "$bin"
# Only its own reports, never the directory itself: RESULTS may be a path typed wrong. Stale reports must go because the
# runner exits 0 without writing any when its configuration is invalid.
mkdir -p "$1"
rm -f "$1/results.yaml" "$1/junit.xml" "$1/report.html" "$1/report.txt" "$1/stderr.txt"

status=0
OCI_CONFIGURATION="$here/oci-conformance.yaml" OCI_RESULTS_DIR="$1" \
	timeout -k 10 "${CONFORMANCE_TIMEOUT:-300}" "$bin/conformance" >"$1/report.txt" 2>"$1/stderr.txt" || status=$?
if [ "$status" -ne 1 ]; then # 1: some test failed, which the verdicts tell
	cat "$1/stderr.txt" >&2
fi
if [ "$status" -gt 1 ]; then
	echo "run.sh: the runner ended with status $status" >&2
	exit "$status"
fi
"$bin/verdicts" "$1"
