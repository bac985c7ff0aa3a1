#!/bin/sh
# Compares the modules that cmd/lcm links, on every platform it is released for, with testdata/linked/modules.txt, and
# refuses any cloud vendor's SDK: they would slow every start and sit in the process that holds the secrets.
#
#   testdata/linked/check.sh            fails where the list differs
#   testdata/linked/check.sh -update    rewrites the list
set -eu
cd "$(dirname "$0")/../.."
list=testdata/linked/modules.txt
now=$(mktemp)
trap 'rm -f "$now" "$now.sorted"' EXIT

for os in linux darwin windows; do
	GOOS=$os GOARCH=amd64 CGO_ENABLED=0 \
		go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}' ./cmd/lcm >>"$now"
done
LC_ALL=C sort -u "$now" >"$now.sorted"

if grep -f testdata/linked/clouds.txt "$now.sorted" >&2; then
	echo "check.sh: cmd/lcm links a cloud SDK (above); go mod why -m MODULE says through what" >&2
	exit 1
fi
if [ "${1:-}" = -update ]; then
	cp "$now.sorted" "$list"
	exit 0
fi
if ! diff -u "$list" "$now.sorted" >&2; then
	echo "check.sh: the modules that cmd/lcm links have changed; if that is meant, run make generate" >&2
	exit 1
fi
