#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a lab guest does: what lab= on the kernel's command line says. Reports
# over a virtio serial port; the last line, "end STATUS", shows that it got there.

export PATH=/bin
/bin/busybox --install -s /bin

if [ "${lab:-shell}" = shell ]; then
	echo "Cgroups are in /sys/fs/cgroup, IDs from ioasid-hold. Leave by exit, or Ctrl-A X."
	console=/dev/$(cat /sys/class/tty/console/active)
	exec sh <>"$console" >&0 2>&0
fi
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != ioasids ] || exec >"/dev/${port##*/}" 2>&1 </dev/null
done
trap 'echo "end $?"' EXIT

case $lab in
session)
	sh /session.sh
	;;
probe)	# which of our interfaces does this kernel have?
	! grep -q '^ioasids.*1$' /proc/cgroups || echo CONFIG_CGROUP_IOASIDS=y
	[ ! -e /dev/ioasid ] || echo CONFIG_IOASID_USER=y
	;;
test)	# all tests, or those that are called $only
	cat /sys/kernel/debug/kunit/*/results 2>/dev/null || [ "${only-}" ] || echo "not ok - KUnit left no results"
	case ${only-} in
	'')	set -- ;;
	*.*)	set -- -r "$only" ;;
	*)	set -- -t "$only" ;;
	esac
	for test in /tests/*; do
		timeout -s KILL 300 "$test" "$@"
		status=$?
		# 1: some failed, and it said which; 4: all were skipped
		case $status in 0|1|4) ;; *) echo "not ok - $test ended with status $status" ;; esac
	done
	taint=$(($(cat /proc/sys/kernel/tainted) & ~(1 << 18)))	# 18: KUnit ran
	[ $taint = 0 ] || echo "not ok - the kernel is tainted: $taint"
	;;
esac
