#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# shellcheck disable=SC2154,SC2164
#
# Runs in the small guest. lab= on the kernel's command line chooses the mode. The report
# goes to a virtio serial port; its last line, "end STATUS", shows that it is complete.

export PATH=/bin
/bin/busybox --install -s /bin

if [ "${lab:-shell}" = shell ]; then
	echo "Cgroups are in /sys/fs/cgroup, IDs from ioasid-hold. Leave by exit, or Ctrl-A X."
	console=/dev/$(cat /sys/class/tty/console/active)
	exec sh <>"$console" >&0 2>&0
fi
leaks=/sys/kernel/debug/kmemleak
for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" != ioasids ] || exec >"/dev/${port##*/}" 2>&1 </dev/null
done
trap 'echo "end $?"' EXIT

# Report memory leaks that the debug kernel has found.
ask_kmemleak() {
	[ -e "$leaks" ] || return 0
	# kmemleak does not report memory that is younger than 5 s.
	sleep 6
	if ! echo scan >"$leaks" || ! echo scan >"$leaks"; then
		echo "not ok - kmemleak has disabled itself"
	elif [ "$(cat "$leaks")" ]; then
		sed 's/^/# /' "$leaks"
		echo "not ok - kmemleak: the memory above is leaked"
	else
		echo "ok - kmemleak: no memory is leaked"
	fi
}

# Each lock must have been used as the comments in the code say. "-": also in interrupts
# or softirqs; "+": only with these enabled.
ask_lockdep() {
	[ -e /proc/lockdep ] || return 0
	grep -q 'debug_locks: *1$' /proc/lockdep_stats || echo "not ok - lockdep has disabled itself"
	while read -r lock usage; do
		seen=$(sed -n "s/.* \(....\): $lock\$/\1/p" /proc/lockdep)
		if [ "$seen" = "$usage" ]; then
			echo "ok - lockdep: $lock {$seen}"
		else
			echo "not ok - lockdep: $lock {$seen} should be {$usage}"
		fi
	done <<-EOF
		&set->account.lock -.-.
		&cg->lock -.-.
		&imm->lock -.-.
		ioasids.xa_lock -.-.
		sets.xa_lock -.-.
		capacity_mutex +.+.
		&set->mutex +.+.
	EOF
}

# The programs in /tests, or those in $programs, a list with commas.
chosen() {
	for test in /tests/*; do
		case ,${programs:-${test##*/}}, in
		*",${test##*/},"*) [ ! -f "$test" ] || [ ! -x "$test" ] || echo "$test" ;;
		esac
	done
}

case $lab in
session)
	sh /session.sh
	;;
probe)	# the interfaces of the project that this kernel has
	! grep -q '^ioasids.*1$' /proc/cgroups || echo CONFIG_CGROUP_IOASIDS=y
	[ ! -e /dev/ioasid ] || echo CONFIG_IOASID_USER=y
	;;
test)	# all tests, or those called $only; of the selftests, those in the programs $programs
	cat /sys/kernel/debug/kunit/*/results 2>/dev/null || [ "${only-}" ] || echo "not ok - KUnit left no results"
	case ${only-} in
	'')	set -- ;;
	*.*)	set -- -r "$only" ;;
	*)	set -- -t "$only" ;;
	esac
	[ "$(chosen)" ] || echo "not ok - there is no program ${programs-}"
	for test in $(chosen); do
		timeout -s KILL 1200 "$test" "$@"
		status=$?
		# 1: some failed, and are reported; 4: all were skipped
		case $status in 0|1|4) ;; *) echo "not ok - ${test##*/} ended with status $status" ;; esac
	done
	[ "${only-}${programs-}" ] || ask_lockdep
	ask_kmemleak
	taint=$(($(cat /proc/sys/kernel/tainted) & ~(1 << 18)))	# 18: KUnit ran
	[ $taint = 0 ] || echo "not ok - the kernel is tainted: $taint"
	;;
stress)	# the stress in user space; KUnit ran the kernel's own stress at boot
	stress_ioasids --duration "$duration" ${seed:+--seed "$seed"}
	case $(cat /sys/fs/cgroup/ioasids.capacity) in
	*"kernel 0"*"user 0"*) echo "ok - all IDs have been given back" ;;
	*) echo "not ok - not all IDs have been given back" ;;
	esac
	[ -e /sys/kernel/debug/kunit/ioasid_stress ] || echo "not ok - the kernel has no stress of its own"
	ask_kmemleak
	;;
bench)	# the cost of taking and freeing an ID: by depth, with the controller; and by IDs held
	cd /sys/fs/cgroup
	for depth in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		[ -e ioasids.capacity ] || [ -e ioasids.max ] || break
		echo +ioasids >cgroup.subtree_control
		mkdir below
		cd below
		echo 1000 >ioasids.max
		case $depth in 1|8|16) ;; *) continue ;; esac
		echo "depth $depth"
		sh -c 'echo $$ >cgroup.procs; exec bench_ioasids 0'
		# A dead process may stay in its cgroup for a moment.
		sleep 1
	done
	echo root
	echo 0 >/sys/fs/cgroup/cgroup.procs
	bench_ioasids 0 10 1000 1000000
	;;
capacity)
	head -n 1 /sys/fs/cgroup/ioasids.capacity
	;;
coverage) # gcov's counts of the lines that KUnit has run
	cd /sys/kernel/debug/gcov
	find . -name 'ioasid*.gcda' | while read -r counts; do
		echo "file ${counts##*/}"
		base64 "$counts"
	done
	;;
others)	# the result of each case of the kernel's own tests, or of those in $programs
	for test in $(chosen); do
		{ cd /tmp; timeout -s KILL 300 "$test" 2>&1; echo "ended with $?"; } | sed "s/^/${test##*/}: /"
	done
	;;
esac
