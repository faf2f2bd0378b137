#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clients.sh: installs the package of the tools in two Debian guests, each with half of
# the clients, which limit something; then boots one of them again, to see what has
# lasted, and once more without the controller. clients.sh shell gives a shell in such a
# guest; clients.sh recording prints what ioasidctl shows on a busy one, and makes a
# picture.

cd "$(dirname "$0")/.." || exit
. lab/source.sh

disk=$(lab/debian.sh)
deb=$(lab/deb.sh)
lab/kernel.sh debian >/dev/null
work=$(mktemp -d "$CACHE/clients.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/handed"
cp lab/clients/*.sh "$deb" "$work/handed"
gcc -O2 -shared -fPIC -o "$work/handed/hide.so" lab/clients/hide.c
# The same in other directories; and what is installed can be uninstalled.
mkdir "$work/objects"
other=(make -s -C tools/ioasids O="$work/objects" DESTDIR="$work/handed/elsewhere" PREFIX=/opt SYSCONFDIR=/opt/etc
	HOOKSDIR=/opt/share/hooks)
"${other[@]}" install
cp -r "$work/handed/elsewhere" "$work/uninstalled"
"${other[@]}" DESTDIR="$work/uninstalled" uninstall
left=$(find "$work/uninstalled" ! -type d)
[ ! "$left" ] && echo 'ok - make uninstall' || echo "not ok - make uninstall leaves $left"
# It has to run in containers that have no libraries.
gcc -O2 -static -isystem include/uapi -o "$work/handed/ioasid-hold" tools/ioasids/ioasid-hold.c
tar -C "$work/handed" -cf "$work/archive" .
cp --reflink=auto --sparse=always "$disk" "$work/root"
export DISKS="$work/root $work/archive" LIMIT=1800

case ${1:-} in
shell)
	lab/boot.sh shell debian
	;;
recording)
	lab/boot.sh recording debian | tee "$work/recording"
	sed '1,/^@top/d; /^@/,$d' "$work/recording" | lab/picture >Documentation/admin-guide/ioasidctl-top.svg
	;;
*)
	cp --reflink=auto --sparse=always "$disk" "$work/other"
	DISKS="$work/other $work/archive" lab/boot.sh clients debian clients=ioasidctl,libcgroup,lxc,oci,rootless \
		>"$work/other.report" &
	status=0
	lab/boot.sh clients debian clients=systemd,podman || status=1
	lab/boot.sh again debian || status=1
	lab/boot.sh without debian cgroup_disable=ioasids || status=1
	wait $! || status=1
	cat "$work/other.report"
	exit $status
	;;
esac
