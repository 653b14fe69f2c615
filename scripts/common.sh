# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share: sourced, never run. Leaves the caller in the top directory of the tree.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=${BUILD:-build}
# make hands on the directory of a debug build, which lies in the other's.
[ "${DEBUG:-0}" = 0 ] || BUILD=${BUILD%/debug}
# Debian's python3-pexpect belongs to this interpreter; PATH may hold another one.
PYTHON=${PYTHON:-/usr/bin/python3}
# grub-mkrescue and others live there, and a user's PATH may lack it.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }

die()
{
	say "${0##*/}: $*"
	exit 1
}

# Runs a command as root, by sudo where that is needed.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		say "${0##*/}: root is needed for: $*"
		return 1
	fi
}
