#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clients.sh: tests the package of the tools with its clients (systemd, podman, ...) in
# two Debian guests at a time. One of them is then restarted, to test that limits last,
# and once more without the controller. clients.sh engines tests it with container engines
# (Docker, incus, ...) in one guest with Debian 13, and clients.sh monitoring with tracers,
# Prometheus and a debugger. The head of each test in lab/debian/clients/ says in which guest
# it runs. clients.sh NAME runs one test; clients.sh [engines] shell gives a shell in such a
# guest; clients.sh recording prints the output of ioasidctl on a busy machine, and makes the
# picture in Documentation/.

CDPATH='' cd "$(dirname "$0")/.." || exit
. lab/source.sh

# in_guest NAME: the tests whose head says "Guest: NAME".
in_guest() { grep -lx "# Guest: $1" lab/debian/clients/*.sh | sed 's,.*/,,; s,\.sh$,,' | paste -sd ,; }

for client in lab/debian/clients/*.sh; do
	grep -qxE '# Guest: (restarted|other|monitoring|engines)' "$client" ||
		die "$client needs a line '# Guest: restarted', or 'other', 'monitoring' or 'engines'"
done
kind=
if [ "${1:-}" = engines ]; then
	kind=engines
	[ $# = 1 ] || shift
fi
case ${1:-} in
''|engines|monitoring|shell|recording) ;;
*)	[ -e "lab/debian/clients/$1.sh" ] || die "lab/debian/clients/ has no $1.sh"
	! grep -qx '# Guest: engines' "lab/debian/clients/$1.sh" || kind=engines
	;;
esac

disk=$(lab/debian.sh $kind)
deb=$(lab/deb.sh)
kernel=$(lab/kernel.sh debian)
work=$(mktemp -d "$CACHE/clients.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/handed"
cp -r lab/debian/* tools/ioasids/test/table.sh "$deb" "$work/handed"
chmod -R u+w "$work/handed"
# It has to run in containers that have no libraries.
gcc -O2 -static -isystem include/uapi -o "$work/handed/ioasid-hold" tools/ioasids/ioasid-hold.c
if [ ! "$kind" ]; then
	gcc -O2 -shared -fPIC -o "$work/handed/hide.so" lab/debian/clients/hide.c
	# Also install the tools into other directories; uninstall must leave no file.
	mkdir "$work/objects"
	other=(make -s -C tools/ioasids O="$work/objects" DESTDIR="$work/handed/elsewhere" PREFIX=/opt SYSCONFDIR=/opt/etc
		HOOKSDIR=/opt/share/hooks CDIDIR=/opt/etc/cdi)
	"${other[@]}" install
	cp -r "$work/handed/elsewhere" "$work/uninstalled"
	"${other[@]}" DESTDIR="$work/uninstalled" uninstall
	left=$(find "$work/uninstalled" ! -type d)
	[ ! "$left" ] && echo 'ok - make uninstall' || echo "not ok - make uninstall leaves $left"
	# What the guests run of the table of commands; the rest runs where the tools are built.
	(
		tool=("$work/handed/elsewhere/opt/bin/ioasidctl")
		# shellcheck source=tools/ioasids/test/table.sh
		. tools/ioasids/test/table.sh
		variants | without_options >"$work/handed/variants"
	)
fi
tar -C "$work/handed" -cf "$work/archive" .
cp --reflink=auto --sparse=always "$disk" "$work/root"
# The debugger reads the kernel's symbols from a disk, whose size is a multiple of 512.
cp --reflink=auto "$kernel/vmlinux" "$work/vmlinux"
truncate -s %512 "$work/vmlinux"
disks="$work/archive $work/vmlinux"
export DISKS="$work/root $disks" LIMIT=3600
[ ! "$kind" ] || export MEMORY=3072

case ${1:-} in
shell)
	lab/boot.sh shell debian
	;;
engines|monitoring)
	lab/boot.sh clients debian "clients=$(in_guest "$1")"
	;;
recording)
	lab/boot.sh recording debian | tee "$work/recording"
	sed '1,/^@top/d; /^@/,$d' "$work/recording" | lab/picture >Documentation/admin-guide/ioasidctl-top.svg
	;;
'')
	cp --reflink=auto --sparse=always "$disk" "$work/other"
	DISKS="$work/other $disks" lab/boot.sh clients debian "clients=$(in_guest other)" >"$work/other.report" &
	status=0
	lab/boot.sh clients debian "clients=$(in_guest restarted)" || status=1
	lab/boot.sh again debian || status=1
	lab/boot.sh without debian cgroup_disable=ioasids || status=1
	wait $! || status=1
	cat "$work/other.report"
	exit $status
	;;
*)
	lab/boot.sh clients debian "clients=$1"
	;;
esac
