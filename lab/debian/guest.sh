#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a Debian guest. lab= on the kernel's command line chooses the mode. systemd
# starts this after everything else, in a directory with the files that the lab passed
# on. The report goes to a virtio serial port, as that of lab/guest/guest.sh.

lab=$(sed -n 's/.*\<lab=\([^ ]*\).*/\1/p' /proc/cmdline)
export LC_ALL=C.UTF-8 PATH=$PWD:$PATH
# Static programs start three times as fast: use them for the most frequent commands.
ln -sf /bin/busybox cat
ln -sf /bin/busybox sleep
# shellcheck source=lab/debian/lib.sh
. ./lib.sh

if [ "$lab" = shell ]; then
	install_package
	agetty --autologin root --noclear ttyS0 "$(sed -n 's/.*\<TERM=\([^ ]*\).*/\1/p' /proc/cmdline)"
	systemctl reboot
	exit
fi
# In Debian's own kernel the driver of the port is a module, which udev may not have loaded.
port=
until [ "$port" ]; do
	name=$(grep -lx ioasids /sys/class/virtio-ports/*/name 2>/dev/null) || { sleep 0.2; continue; }
	port=/dev/$(basename "$(dirname "$name")")
	[ -c "$port" ] || port=
done
exec >"$port" 2>&1 </dev/null
trap 'echo "end $?"; systemctl reboot --force' EXIT
# shellcheck source=/dev/null
. "./$lab.sh"
