#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A Debian guest does what lab= on the kernel's command line says. systemd runs this
# when all else has started, in the directory that the lab handed over. It reports over a
# virtio serial port, as lab/guest/guest.sh does.

lab=$(sed -n 's/.*\<lab=\([^ ]*\).*/\1/p' /proc/cmdline)
export LC_ALL=C.UTF-8 PATH=$PWD:$PATH
# Without libraries, the programs that are run most often start three times as fast.
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
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != ioasids ] || exec >"/dev/${port##*/}" 2>&1 </dev/null
done
trap 'echo "end $?"; systemctl reboot --force' EXIT
# shellcheck source=/dev/null
. "./$lab.sh"
