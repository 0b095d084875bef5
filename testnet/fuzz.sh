#!/bin/sh
# Runs every fuzz target of the repository: so many inputs each ("10000x"), or
# so long ("10m"). A package is built once for all of its targets. Counted
# inputs end where they should on a slow machine too: a fuzzer that its clock
# stops in the middle of an input can call that a failure.
set -eu
amount=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
root=$(pwd)
found=$(go env GOCACHE)/fuzz
n=0
for package in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n 1 dirname | sort -u); do
	go test -c -fuzz . -o "$dir/fuzz.test" "./$package"
	cd "$package"
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' *_test.go); do
		echo "fuzz $package $target for $amount"
		"$dir/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$amount" \
			-test.fuzzcachedir "$found/sotto/$package" >"$dir/log" 2>&1 || {
			cat "$dir/log"
			exit 1
		}
		n=$((n + 1))
	done
	cd "$root"
done
echo "$n fuzz targets held"
[ "$n" -gt 0 ]
