#!/bin/sh
# Runs every fuzz target of the module, one after the other, for the given time each.
#
#   testdata/fuzz.sh 10s
set -eu
time=${1:?usage: fuzz.sh DURATION}
cd "$(dirname "$0")/.."
listed=$(mktemp)
targets=$(mktemp)
log=$(mktemp)
trap 'rm -f "$listed" "$targets" "$log"' EXIT

# go test prints the names of a package's targets and then "ok PACKAGE TIME".
go test -list '^Fuzz' ./... >"$listed"
names=
while read -r word package _; do
	case $word in
	Fuzz*)
		names="$names $word"
		;;
	ok)
		for name in $names; do
			echo "$package $name"
		done
		names=
		;;
	esac
done <"$listed" >"$targets"

if [ ! -s "$targets" ]; then
	echo "fuzz.sh: there is no fuzz target" >&2
	exit 1
fi
while read -r package name; do
	echo "$package $name"
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null >"$log" 2>&1; then
		grep '^fuzz: elapsed' "$log" | tail -n 1
		continue
	fi
	cat "$log"
	# Until Go 1.27 a run can end with this error at the very moment when its time is up (go.dev/issue/75804). A target
	# that really fails, or hangs, leaves the input that made it do so.
	if grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"; then
		echo "fuzz.sh: time was up; no failing input"
		continue
	fi
	exit 1
done <"$targets"
