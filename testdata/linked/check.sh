#!/bin/sh
# Compares the modules that each program links, on every platform it is released for, with testdata/linked/PROGRAM.txt, and
# refuses in both any cloud vendor's SDK, and in lcm the clients of stores too (testdata/linked/never-in-lcm.txt): they would
# slow every start and sit in the process that holds the secrets.
#
#   testdata/linked/check.sh            fails where a list differs
#   testdata/linked/check.sh -update    rewrites the lists
set -eu
cd "$(dirname "$0")/../.."
now=$(mktemp)
trap 'rm -f "$now" "$now.sorted"' EXIT

for program in lcm lcm-remote; do
	list=testdata/linked/$program.txt
	: >"$now"
	for os in linux darwin windows; do
		GOOS=$os GOARCH=amd64 CGO_ENABLED=0 \
			go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}' ./cmd/$program >>"$now"
	done
	LC_ALL=C sort -u "$now" >"$now.sorted"

	refused=testdata/linked/clouds.txt
	[ $program = lcm ] && refused="$refused testdata/linked/never-in-lcm.txt"
	if cat $refused | grep -f - "$now.sorted" >&2; then
		echo "check.sh: cmd/$program links what it must not (above); go mod why -m MODULE says through what" >&2
		exit 1
	fi
	# Of SOPS, which has the clouds' clients, the sharing of a data key is linked and nothing else.
	if go list -deps ./cmd/$program | grep '^github\.com/getsops/sops/' | grep -v '/shamir$' >&2; then
		echo "check.sh: cmd/$program links more of SOPS (above) than its package shamir" >&2
		exit 1
	fi
	if [ "${1:-}" = -update ]; then
		cp "$now.sorted" "$list"
	elif ! diff -u "$list" "$now.sorted" >&2; then
		echo "check.sh: the modules that cmd/$program links have changed; if that is meant, run make generate" >&2
		exit 1
	fi
done
