#!/bin/sh
# Builds this commit twice, from two fresh clones at different paths and with
# empty build caches, and fails unless both programs are the same, byte for byte.
set -eu
root=$(git rev-parse --show-toplevel)
[ -z "$(git -C "$root" status --porcelain)" ] || echo "what is not committed is left out"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for place in one some/where/else; do
	git clone -q "$root" "$dir/$place"
	GOCACHE="$dir/cache" make -s -C "$dir/$place" build
	(cd "$dir/$place" && sha256sum sotto)
	rm -rf "$dir/cache"
done
cmp "$dir/one/sotto" "$dir/some/where/else/sotto"
