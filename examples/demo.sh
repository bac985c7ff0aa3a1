#!/bin/sh
# The main job, end to end, on a copy of examples/platform in a scratch folder: nothing outside it is touched.
# It needs lcm on PATH (make demo builds it), Git and ssh-keygen.
set -eu

example=$(cd "$(dirname "$0")/platform" && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lcm-demo.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$scratch"' EXIT

# Somebody who has just joined: a home of their own, with Git's name and a key to sign with.
export HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/home/.config" GIT_CONFIG_GLOBAL="$scratch/home/.gitconfig" GIT_CONFIG_NOSYSTEM=1
unset SOPS_AGE_KEY SOPS_AGE_KEY_CMD SOPS_AGE_SSH_PRIVATE_KEY_FILE SOPS_AGE_SSH_PRIVATE_KEY_CMD SSH_AUTH_SOCK LCM_SIGNING_KEY || true
mkdir -p "$HOME/.ssh" && chmod 700 "$HOME/.ssh"
ssh-keygen -q -t ed25519 -N '' -C demo -f "$HOME/.ssh/signing"
git config --global user.name 'Demo Engineer'
git config --global user.email demo@example.com
git config --global gpg.format ssh
git config --global user.signingkey "$HOME/.ssh/signing.pub"
git config --global init.defaultBranch main
# The demo keys of all tenants. They are shipped with the example, and worth nothing.
cat "$example"/demo-keys/*.txt >"$scratch/keys.txt"
chmod 600 "$scratch/keys.txt"
export SOPS_AGE_KEY_FILE="$scratch/keys.txt"

cp -R "$example" "$scratch/platform"
cd "$scratch/platform"
git init -q .
git add .
git commit -q -S -m 'the configuration of our LLM platform'

# show prints a step's title, and its command as one would type it.
show() {
	printf '\n\033[1m# %s\033[0m\n$' "$1"
	shift
	for word; do
		case $word in
		*[!A-Za-z0-9_./=~@:,-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
}
step() {
	show "$@"
	shift
	"$@"
}
# refused is a step that must fail.
refused() {
	show "$@"
	shift
	if "$@"; then
		echo 'this should have been refused' >&2
		exit 1
	else
		printf 'exit code %d\n' $?
	fi
}
# shortened shows the beginning and the last line of a long result.
shortened() {
	lines=$1
	shift
	"$@" >"$scratch/out"
	head -n "$lines" "$scratch/out"
	printf '  … %s lines in all\n' "$(wc -l <"$scratch/out" | tr -d ' ')"
	tail -n 1 "$scratch/out"
}
shorten() {
	title=$1 lines=$2
	shift 2
	show "$title" "$@"
	shortened "$lines" "$@"
}

step 'Make the Git repository a config repository: who may sign goes in.' lcm init
step 'Is everything well? Names, schemas, recipients, plaintext secrets, MACs.' lcm validate
shorten 'What is there: 3 tenants × 3 environments × 8 namespaces.' 8 lcm list -l
step 'Where does a value come from?' lcm explain acme/production/inference parameters.temperature
step 'Change it: one line of one file, one signed commit.' lcm set acme/production/inference parameters.temperature=0.2 -m 'calmer answers for support'
step 'A platform default: how far does it reach?' lcm set global/base/inference retry.max_retries=4
step 'The same two commits as a reviewer sees them.' lcm diff HEAD~2 HEAD
printf '\n\033[1m# %s\033[0m\n' 'A secret goes in by a pipe, and into the file encrypted to acme alone.'
printf '%s\n' '$ printf %s "$NEW_KEY" | lcm set acme/production/inference --stdin providers.openai.api_key'
printf %s 'sk-demo-acme-prod-rotated-0002' | lcm set acme/production/inference --stdin providers.openai.api_key
step 'It is masked wherever it shows …' lcm get acme/production/inference providers.openai.api_key
step '… and its file is a SOPS file like any other.' grep -m1 'api_key: ENC' config/acme/production/inference.yaml
step 'Try something in staging …' lcm set acme/staging/inference parameters.top_p=0.9
step '… and carry it over to production: only what may move, after a look (on a terminal you are asked).' lcm promote acme/staging/inference acme/production/inference --key parameters.top_p --yes -m 'top_p 0.9 went well'
shorten 'What differs between the two now?' 14 lcm diff acme/staging/router acme/production/router
shorten 'Publish: what would change?' 12 lcm publish acme --to local --dry-run
shorten 'All or nothing, signed.' 12 lcm publish --to local
step 'Once more: there is nothing to do.' lcm publish acme/production --to local
refused 'A mistake is told with its place and what to do, and nothing is written.' \
	lcm set acme/production/inference parameters.temprature=3 'chains=[{name: default, models: [gpt-41]}]'
step 'Every change is a signed commit.' git log --oneline --format='%h %G? %an: %s'
