#!/bin/sh
# Installs the Debian packages it is given that are missing, and says so.
set -eu
missing=
for p in "$@"; do
	dpkg -s "$p" >/dev/null 2>&1 || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing missing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
# Daemons that a package would start are not for us: the tests start their own.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made=1
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
apt-get update -q >/dev/null || echo "package lists could not be fetched; trying with those that are here"
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing
