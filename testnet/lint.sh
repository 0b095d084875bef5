#!/bin/sh
# staticcheck decides; govulncheck runs where its database can be reached.
set -eu
go run "$1" ./...
if go run "$2" ./... >"${TMPDIR:-/tmp}/sotto-vuln.$$" 2>&1; then
	echo "govulncheck: nothing known"
elif grep -q '^Vulnerability #' "${TMPDIR:-/tmp}/sotto-vuln.$$"; then
	cat "${TMPDIR:-/tmp}/sotto-vuln.$$"
	exit 1
else
	echo "govulncheck could not run here: $(head -n 1 "${TMPDIR:-/tmp}/sotto-vuln.$$")"
fi
rm -f "${TMPDIR:-/tmp}/sotto-vuln.$$"
