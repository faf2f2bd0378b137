#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a Debian guest does: what lab= on the kernel's command line says. It is run
# by systemd, when all else has started, in the directory that the lab handed over.
# Reports over a virtio serial port, as lab/guest.sh does.

lab=$(sed -n 's/.*\<lab=\([^ ]*\).*/\1/p' /proc/cmdline)
export LC_ALL=C.UTF-8 PATH=$PWD:$PATH
# What is run most often starts three times as fast if it has no libraries.
ln -sf /bin/busybox cat
ln -sf /bin/busybox sleep
# shellcheck source=lab/clients/lib.sh
. ./lib.sh

if [ "$lab" = shell ]; then
	install_package
	agetty --autologin root --noclear ttyS0 "$(sed -n 's/.*\<TERM=\([^ ]*\).*/\1/p' /proc/cmdline)"
	systemctl poweroff
	exit
fi
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != ioasids ] || exec >"/dev/${port##*/}" 2>&1 </dev/null
done
trap 'echo "end $?"; systemctl poweroff --force' EXIT
# shellcheck source=/dev/null
. "./$lab.sh"
