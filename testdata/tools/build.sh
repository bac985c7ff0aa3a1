#!/bin/sh
# Builds one pinned third-party tool and prints the path of its binary.
#
#   testdata/tools/build.sh vault|versitygw|sops|…
#
# Each tool is a module of its own, so that its dependencies never touch lcm's go.mod. The binary is cached under the
# user's cache directory by the hash of the module's go.mod and go.sum: a changed pin is a new build, nothing else is.
set -eu

name=${1:?usage: build.sh NAME}
here=$(cd "$(dirname "$0")" && pwd)
dir=$here/$name
[ -f "$dir/go.mod" ] || { echo "build.sh: no such tool: $name" >&2; exit 2; }

# An OpenBao, say, in the place of the Vault that the tests run against.
if [ "$name" = vault ] && [ -n "${LCM_TEST_VAULT:-}" ]; then
	echo "$LCM_TEST_VAULT"
	exit 0
fi

sum=$(cat "$dir/go.mod" "$dir/go.sum" | git hash-object --stdin | cut -c1-16)
cache=${LCM_TOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lcm-tools}
bin=$cache/$name-$sum/$name
if [ -x "$bin" ]; then
	echo "$bin"
	exit 0
fi

tags=
# Vault's database engines and cloud plugins are not needed here, and they triple the build.
[ "$name" = vault ] && tags=minimal
pkg=$(sed -n 's/^tool //p' "$dir/go.mod")

echo "building $name (cached in $cache afterwards)…" >&2
mkdir -p "$(dirname "$bin")"
tmp=$(mktemp "$bin.XXXXXX")
trap 'rm -f "$tmp"' EXIT
(cd "$dir" && CGO_ENABLED=0 GOFLAGS=-mod=mod go build -tags "$tags" -ldflags "-s -w" -o "$tmp" "$pkg") >&2
chmod 755 "$tmp"
mv "$tmp" "$bin"
echo "$bin"
