# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2086,SC2154
#
# Guest: monitoring
#
# ioasidctl who where the kernel's list in debugfs cannot be read: BPF tells the same. And the
# columns USER, LIMIT and DEVICE.

# outside DIRECTORY COMMAND...: where nothing is mounted there.
outside() { unshare --mount sh -c 'umount "$0" && exec "$@"' "$@"; }
without_types=(unshare --mount sh -c 'mount --bind /dev/null /sys/kernel/btf/vmlinux && exec "$@"' -)
dropped=-bpf,-perfmon,-sys_admin
without_bpf=(setpriv --bounding-set="$dropped" --inh-caps="$dropped")
debugfs=/sys/kernel/debug
missing="ioasidctl: who: only descriptors that you may see are listed: cannot read $debugfs/ioasid/sets, and "

# holds CGROUP COMMAND...: starts it in the cgroup, and adds its PID to /run/holders.
holds() {
	local cgroup=$1
	shift
	(echo $BASHPID >"$root/$cgroup/cgroup.procs" && exec "$@") &
	echo $! >>/run/holders
}
# seen N: as many processes as were started have a set.
seen() { is "$1" awk -v holders="$(tr '\n' ' ' </run/holders)" \
	'BEGIN { split(holders, h, " "); for (i in h) is[h[i]] } $5 in is { n++ } END { print n }' $debugfs/ioasid/sets; }
ends() {
	xargs kill </run/holders
	wait
	rm /run/holders
	eventually is '*kernel 0 user 0 *' cat $root/ioasids.capacity
}

# Holders of several users, with a reservation, and with a hostile name; with a descriptor that
# is under way in a socket, where no process has it; and with a first thread that has exited.
starts_holders() {
	make_user
	ioasidctl set -c /who 90
	ioasidctl set -c /who/part max
	ioasidctl set -c /who/less 4
	ioasidctl set -c $'/who/esc\e[2J' max
	holds who/part ioasid-hold --alloc=3 --hold
	holds who/less setpriv --reuid=user --regid=ioasid --clear-groups ioasid-hold --reserve=4 --alloc=2 --hold
	holds $'who/esc\e[2J' setpriv --reuid=12345 --regid=ioasid --clear-groups ioasid-hold --alloc=1 --hold
	mkfifo /run/never
	holds . sh -c 'printf "a\r\033[2J" >/proc/$$/comm; exec 8<>/run/never 9<>/dev/ioasid; read -r never <&8'
	holds who/part python3 -c 'import os, socket, time
device, ends = os.open("/dev/ioasid", os.O_RDWR), socket.socketpair(socket.AF_UNIX)
socket.send_fds(ends[0], [b"x"], [device])
os.close(device)
time.sleep(10000)'
	holds who/part python3 -c 'import ctypes, threading, time
def hold():
    with open("/dev/ioasid"): time.sleep(10000)
threading.Thread(target=hold).start()
time.sleep(1)
ctypes.CDLL(None).syscall(60, 0)'
	eventually seen 6
	eventually grep '^State:.Z' "/proc/$(sed -n 6p /run/holders)/status"
}

columns=SET,PID,COMMAND,ALLOCATED,RESERVED,QUOTA,USER,LIMIT,CGROUP,OPEN

needs_no_debugfs() {
	local pids=()
	mapfile -t pids </run/holders
	# Without the sets of the kernel, which have no cgroup
	ioasidctl who -r -o $columns | grep -v '^[0-9]* - ' >/run/with
	outside $debugfs ioasidctl who -r -o $columns >/run/without 2>/run/said
	is '' diff /run/with /run/without
	is 'ioasidctl: who: only the sets of processes are listed, none of the kernel: *' cat /run/said
	is "* ${pids[0]} ioasid-hold 3 - - root 90 /who/part ${pids[0]}:? *" cat /run/without
	is "* ${pids[1]} ioasid-hold 2 2 4 user 4 /who/less ${pids[1]}:? *" cat /run/without
	is "* ${pids[2]} ioasid-hold 1 - - 12345 90 /who/esc\\\\x1b\\[2J ${pids[2]}:? *" cat /run/without
	is "* ${pids[3]} a\\\\x0d\\\\x1b\\[2J 0 - - root max / ${pids[3]}:9 *" cat /run/without
	is "* ${pids[4]} python3 0 - - root 90 /who/part -*" cat /run/without
	is "* ${pids[5]} python3 0 - - root 90 /who/part -*" cat /run/without
	is '{ "complete": false, *' sh -c 'unshare --mount sh -c "umount $0 && ioasidctl who -J" 2>/dev/null' $debugfs
	# There are no names of cgroups, but owners.
	is "*${pids[1]} user - -*" outside $debugfs unshare --mount sh -c "umount $root && ioasidctl who -n -o PID,USER,LIMIT,CGROUP"
}

says_what_it_does_instead() {
	local types='no type information (CONFIG_DEBUG_INFO_BTF) in /sys/kernel/btf/vmlinux'
	local caps='BPF needs CAP_BPF and CAP_PERFMON, or root'
	fails 0 "$missing$types" outside $debugfs "${without_types[@]}" ioasidctl who /system.slice
	fails 0 "$missing$caps" outside $debugfs "${without_bpf[@]}" ioasidctl who /system.slice
	fails 0 "$missing$caps" as_user ioasidctl who /system.slice
	fails 0 "ioasidctl: who: no devices are listed: $types" "${without_types[@]}" ioasidctl who -o DEVICE /system.slice
	fails 0 "ioasidctl: who: no devices are listed: $caps" "${without_bpf[@]}" ioasidctl who -o DEVICE /system.slice
	# Descriptors are listed then.
	is "* $(sed -n 1p /run/holders) ioasid-hold 3 - - root 90 /who/part *" outside $debugfs "${without_types[@]}" ioasidctl who -r -o $columns
	is "*\"set\": *, \"device\": null }*" "${without_types[@]}" ioasidctl who -J -o SET,DEVICE
	is '*"device": \[\] }*' ioasidctl who -J -o SET,DEVICE
}

# The mock's devices, where sysfs says that they are those of accelerators.
as_accelerators() {
	unshare --mount sh -c '
		mount -t tmpfs none /sys/dev/char
		cd /sys/dev/char
		for name in a b; do
			mkdir -p devices/queue!$name
			ln -s /sys/class/uacce devices/queue!$name/subsystem
			ln -s devices/queue!$name "$(printf "%d:%d" $(stat -c "0x%t 0x%T" /dev/ioasid-mock-$name))"
		done
		exec "$@"' - "$@"
}

shows_pasids_of_drivers() {
	local pid
	holds who/less sh -c 'exec 3</dev/ioasid-mock-a 4</dev/ioasid-mock-b 5</dev/ioasid-mock-a; while sleep 1; do :; done'
	holds who/less sh -c 'exec 3<>/dev/ioasid; while sleep 1; do :; done'
	pid=$(sed -n 1p /run/holders)
	eventually seen 2
	is "*$pid sh 1 root 4 /who/less queue/a,queue/b *" as_accelerators ioasidctl who -r -o PID,COMMAND,ALLOCATED,USER,LIMIT,CGROUP,DEVICE
	is "$pid sh 1 root 4 /who/less queue/a,queue/b $(sed -n 2p /run/holders) sh 0 root 4 /who/less" \
		as_accelerators sh -c "umount $debugfs && ioasidctl who -n -o PID,COMMAND,ALLOCATED,USER,LIMIT,CGROUP,DEVICE 2>/dev/null"
	# Of others it is not known whether they use PASIDs.
	is '*"device": \[\] *"device": \[\] *' ioasidctl who -J -o DEVICE
	ends
}

leaves_nothing() {
	rm /run/never
	# A child of a shell that was killed may still sleep.
	eventually sh -c "rmdir $root/who/*/ $root/who"
	is '' ls /sys/fs/bpf
}

check 'ioasidctl who: holders for it' starts_holders
check 'ioasidctl who: without debugfs BPF tells the same' needs_no_debugfs
check 'ioasidctl who: says what it does instead' says_what_it_does_instead
check 'ioasidctl who: the holders end' ends
if (: </dev/ioasid-mock-a) 2>&1 | grep -q 'Operation not supported'; then
	echo "ok - ioasidctl who: PASIDs of drivers # SKIP Linux $(uname -r) refuses SVA on this architecture"
else
	check 'ioasidctl who: PASIDs of drivers' shows_pasids_of_drivers
fi
check 'ioasidctl who: nothing is left' leaves_nothing
