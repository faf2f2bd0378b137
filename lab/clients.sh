#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clients.sh: installs the package of the tools in a Debian guest, and has each
# client limit something; then boots the guest again, to see what has lasted, and
# once more without the controller. clients.sh shell gives a shell in such a guest;
# clients.sh recording prints what ioasidctl shows on a busy one, and makes a picture.

cd "$(dirname "$0")/.." || exit
. lab/lib.sh

disk=$(lab/debian.sh)
deb=$(lab/deb.sh)
lab/kernel.sh debian >/dev/null
work=$(mktemp -d "$CACHE/clients.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp --reflink=auto --sparse=always "$disk" "$work/root"
mkdir "$work/handed"
cp lab/clients/* "$deb" "$work/handed"
# It has to run in containers that have no libraries.
gcc -O2 -static -isystem include/uapi -o "$work/handed/ioasid-hold" tools/ioasids/ioasid-hold.c
tar -C "$work/handed" -cf "$work/archive" .
export DISKS="$work/root $work/archive" LIMIT=1800
if [ "${1:-}" = shell ]; then
	lab/boot.sh shell debian
	exit
fi
if [ "${1:-}" = recording ]; then
	lab/boot.sh recording debian | tee "$work/recording"
	sed '1,/^@top/d; /^@/,$d' "$work/recording" | lab/picture >Documentation/admin-guide/ioasidctl-top.svg
	exit
fi
status=0
lab/boot.sh clients debian || status=1
lab/boot.sh again debian || status=1
lab/boot.sh without debian cgroup_disable=ioasids || status=1
exit $status
