# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: monitoring
#
# drgn, a debugger, with the script of the package on the running kernel: it shows what the
# interfaces show.

# The third disk is the kernel with its symbols.
symbols=/var/tmp/vmlinux script=/usr/share/ioasids-tools/ioasids.py
debug() { drgn -s $symbols "$@"; }

# set_of PID: prints the number of its set.
set_of() { awk -v pid=$1 '$5 == pid { print $1 }' /run/sets; }

# Sets that share a cgroup, that reserve, and of the root; and a cgroup whose name is hostile.
shows_kernel() {
	local name=$'esc\e[2J' holders=()
	cp /dev/vdc $symbols
	ioasidctl set -c /drgn/part 3
	ioasidctl set -c "/drgn/$name" max
	(echo $BASHPID >$root/drgn/part/cgroup.procs && exec sh -c "$inside" 3) &
	holders+=($!)
	(echo $BASHPID >"$root/drgn/$name/cgroup.procs" && exec ioasid-hold --reserve=9 --alloc=2 --hold) &
	holders+=($!)
	(echo $BASHPID >$root/cgroup.procs && exec ioasid-hold --alloc=1 --hold) &
	holders+=($!)
	eventually is '*kernel 0 user 13 *' cat $root/ioasids.capacity
	cat /sys/kernel/debug/ioasid/sets >/run/sets
	debug $script --ids >/run/seen
	kill "${holders[@]}"
	wait "${holders[@]}" || true
	is 'total 1048575 kernel 0 user 13 available 1048562 *' cat /run/seen
	is "*$(set_of ${holders[0]}) process 0 3 ${holders[0]} ioasid-hold /drgn/part *" cat /run/seen
	is "*$(set_of ${holders[1]}) process 9 2 ${holders[1]} ioasid-hold /drgn/esc\\\\x1b\\[2J *" cat /run/seen
	is "*$(set_of ${holders[2]}) process 0 1 ${holders[2]} ioasid-hold / *" cat /run/seen
	is '*MAX CURRENT PEAK REFUSED FAILED CGROUP *' cat /run/seen
	is '*max 12 12 1 1 /drgn 3 3 3 1 1 /drgn/part *' cat /run/seen
	is '*max 9 9 0 0 /drgn/esc\\x1b\[2J*' cat /run/seen
	is '' grep WRONG /run/seen
	# Six IDs, each of them once; a set can have none.
	is '1 2 3 4 5 6' echo "$(sed -n 's/^set [0-9]*: \([0-9]\)/\1/p' /run/seen | tr , '\n' | awk -F- '{ for (i = $1; i <= $NF; i++) print i }' | sort -n)"
	eventually rmdir "$root/drgn/$name"
	ioasidctl disable -c /drgn
	eventually rmdir $root/drgn/part $root/drgn
}

# A copy of the script that takes two IDs for three finds that the counts differ.
finds_differences() {
	ioasid-hold --alloc=2 --hold &
	eventually is '*user 2 *' cat $root/ioasids.capacity
	sed 's/quota or allocated,/quota or allocated and 3,/' $script >/run/wrong.py
	not debug /run/wrong.py >/run/seen
	kill $!
	wait $! || true
	is '*WRONG: the sets in /lab.slice* have 3 IDs, and it is charged 2 *WRONG: all sets have 3 IDs, and the machine counts 2' \
		cat /run/seen
	rm $symbols
}

check 'drgn: the sets, owners, payers and counts of the running kernel' shows_kernel
check 'drgn: counts that differ' finds_differences
