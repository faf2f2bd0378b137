#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clients.sh: installs the package of the tools in two Debian guests, each with half of
# the clients, which limit something; then boots one of them again, to see what has
# lasted, and once more without the controller. clients.sh shell gives a shell in such a
# guest; clients.sh recording prints what ioasidctl shows on a busy one, and makes a
# picture.

cd "$(dirname "$0")/.." || exit
. lab/lib.sh

disk=$(lab/debian.sh)
deb=$(lab/deb.sh)
lab/kernel.sh debian >/dev/null
work=$(mktemp -d "$CACHE/clients.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/handed"
cp lab/clients/* "$deb" "$work/handed"
# It has to run in containers that have no libraries.
gcc -O2 -static -isystem include/uapi -o "$work/handed/ioasid-hold" tools/ioasids/ioasid-hold.c
tar -C "$work/handed" -cf "$work/archive" .

# guest ROOT MODE [NAME=VALUE...]: boots what is on the disk ROOT.
guest() {
	local root=$work/$1 mode=$2
	shift 2
	[ -e "$root" ] || cp --reflink=auto --sparse=always "$disk" "$root"
	DISKS="$root $work/archive" LIMIT=1800 lab/boot.sh "$mode" debian "$@"
}

case ${1:-} in
shell)
	guest root shell
	;;
recording)
	guest root recording | tee "$work/recording"
	sed '1,/^@top/d; /^@/,$d' "$work/recording" | lab/picture >Documentation/admin-guide/ioasidctl-top.svg
	;;
*)
	guest other clients clients=ioasidctl,libcgroup,lxc,oci,rootless >"$work/other.report" &
	status=0
	guest root clients clients=systemd,podman || status=1
	guest root again || status=1
	guest root without cgroup_disable=ioasids || status=1
	wait $! || status=1
	cat "$work/other.report"
	exit $status
	;;
esac
