#!/bin/sh
# Runs every fuzz target of the repository for a short time each.
set -eu
time=$1
n=0
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do
	dir=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
		echo "fuzz $dir $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" >"${TMPDIR:-/tmp}/sotto-fuzz.$$" 2>&1 || {
			cat "${TMPDIR:-/tmp}/sotto-fuzz.$$"
			exit 1
		}
		n=$((n + 1))
	done
done
rm -f "${TMPDIR:-/tmp}/sotto-fuzz.$$"
echo "$n fuzz targets held"
[ "$n" -gt 0 ]
