# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2086,SC2154,SC2164
#
# Guest: monitoring
#
# Tracepoints: ioasidctl trace, why, record and events -f, and each recipe of
# Documentation/admin-guide/ioasids-tracing.rst.

tracefs=/sys/kernel/tracing
events=$tracefs/events/ioasid

# asks CGROUP N: a process in it asks for N IDs, one by one, and gives them back.
asks() { (echo $BASHPID >$root/$1/cgroup.procs && exec ioasid-hold --alloc=$2) || true; }

# id_of CGROUP: its ID in events.
id_of() { stat -c %i $root/$1; }

# traces OPTION...: runs ioasidctl trace, with its output in /run/traced, until it traces.
traces() {
	ioasidctl trace "$@" >/run/traced 2>&1 &
	tracer=$!
	trap 'kill $tracer 2>/dev/null || true' EXIT
	eventually is_tracing
}
# The last step of setting it up is to wait for the ring buffer.
is_tracing() { readlink /proc/$tracer/fd/* | grep -q eventpoll; }
ends() { wait $tracer; }

prepare_cgroups() {
	printf '#!/bin/sh\necho $$ >%s/traced/one/cgroup.procs\nioasid-hold --alloc=3 || true\n' $root >/run/asking
	chmod +x /run/asking
	ioasidctl set -c /traced/one 2
	ioasidctl set -c /traced/two max
	ioasidctl set /traced 5
}

tells_as_json() {
	traces --json --number 5 /traced/one
	asks traced/two 1
	asks traced/one 3
	ends
	is '5' grep -c . /run/traced
	is '2' grep -c '"event": "alloc", "cgroup": "/traced/one", ' /run/traced
	is '2' grep -c '"event": "free", "cgroup": "/traced/one", ' /run/traced
	is "*\"cgroup\": \"/traced/one\", \"cgroup_id\": $(id_of traced/one), \"by\": \"limit\", \"limit\": \"/traced/one\", \"limit_id\": $(id_of traced/one), \"asked\": 1, \"used\": 2, \"max\": 2, *\"command\": \"ioasid-hold\"}" \
		grep '"event": "refused"' /run/traced
}

tells_in_words() {
	traces -e refused,move,set_quota
	asks traced/one 3
	(echo $BASHPID >$root/traced/two/cgroup.procs && exec ioasid-hold --reserve=4 --hold) &
	holder=$!
	eventually is 4 cat $root/traced/two/ioasids.current
	echo $holder >$root/traced/one/cgroup.procs
	eventually grep ' move ' /run/traced
	kill $holder
	wait $holder || true
	eventually grep ' 0, before: 4' /run/traced
	kill -INT $tracer
	ends
	is '*refused*/traced/one ioasid-hold\[*\]: asked for 1; the limit of /traced/one: 2 of 2 *' sed 's/$/ /' /run/traced
	is "*move*/traced/one *: of process $holder moved with 4 from /traced/two *" sed 's/$/ /' /run/traced
	is "*set_quota*/traced/two ioasid-hold\[$holder\]: 4, before: 0 *" sed 's/$/ /' /run/traced
}

tells_of_one_process() {
	(echo $BASHPID >$root/traced/two/cgroup.procs && exec ioasid-hold --hold --alloc=2 --hold) &
	holder=$!
	eventually sh -c "grep -q ioasid-set /proc/$holder/fdinfo/*"
	traces -p $holder -e all
	asks traced/two 1
	kill -USR1 $holder
	eventually is 2 cat $root/traced/two/ioasids.current
	kill $holder
	wait $holder || true
	eventually grep set_close /run/traced
	kill $tracer
	ends
	is '' grep -v "\[$holder\]" /run/traced
	is 2 grep -c ' alloc ' /run/traced
}

sums_up() {
	traces -q
	asks traced/one 3
	asks traced/two 2
	kill -INT $tracer
	ends
	is '* /traced/one 2 2 1 0 0 *' cat /run/traced
	is '* /traced/two 2 2 0 0 0 *' cat /run/traced
	is '* ioasid-hold 2 2 1 *' cat /run/traced
	is '*How long IDs were held: *or more*' cat /run/traced
	traces -J -q
	asks traced/two 2
	kill -INT $tracer
	ends
	is '{"event": "summary", "lost": 0, "cgroups": \[{"cgroup": "/traced/two", *"taken": 2, "given": 2, "refused": 0}\], *' cat /run/traced
}

says_who_was_refused() {
	ioasidctl events -f /traced >/run/traced 2>/run/lost &
	tracer=$!
	trap 'kill $tracer 2>/dev/null || true' EXIT
	eventually sh -c "grep -q '^inotify wd' /proc/$tracer/fdinfo/*"
	asks traced/one 3
	eventually grep 'max +1' /run/traced
	eventually is '*:* /traced/one ioasid-hold\[*\] asked for 1; the limit of /traced/one: 2 of 2' grep asked /run/traced
	[ ! -s /run/lost ]
	# More than it has room for while it does not read
	kill -STOP $tracer
	(echo $BASHPID >$root/traced/one/cgroup.procs && exec python3 -c 'import fcntl, struct
with open("/dev/ioasid") as device:
	for _ in range(20000):
		try: fcntl.ioctl(device, 0x6968, struct.pack("III", 12, 0, 3))
		except BlockingIOError: pass')
	kill -CONT $tracer
	eventually grep -x 'ioasidctl: events: [0-9]* lines with processes were lost' /run/lost
	eventually grep 'max +20000' /run/traced
}

# Also of a cgroup whose name cannot be found any more
says_it_of_gone_cgroups() {
	ioasidctl events -f >/run/traced &
	tracer=$!
	trap 'kill $tracer 2>/dev/null || true' EXIT
	eventually sh -c "grep -q '^inotify wd' /proc/$tracer/fdinfo/*"
	kill -STOP $tracer
	ioasidctl set -c /short 1
	asks short 2
	rmdir $root/short
	kill -CONT $tracer
	eventually grep '(gone) ioasid-hold[[][0-9]*[]] asked for 1; the limit of cgroup-[0-9]* (gone): 1 of 1' /run/traced
}

# A root that was given as a link
finds_names_behind_a_link() {
	ln -sfn $root /run/link
	ioasidctl -r /run/link trace -e alloc -n 1 /traced/two >/run/traced &
	tracer=$!
	trap 'kill $tracer 2>/dev/null || true' EXIT
	eventually is_tracing
	asks traced/two 1
	ends
	is '* alloc /traced/two ioasid-hold*' cat /run/traced
}

answers_why() {
	fails 5 '*nothing is recorded*' ioasidctl why /traced
	systemctl start ioasids-record
	(echo $BASHPID >$root/traced/two/cgroup.procs && exec ioasid-hold --alloc=4 --hold) &
	holder=$!
	eventually is 4 cat $root/traced/two/ioasids.current
	asks traced/one 2
	is '*Refused in the last 60 s by the limit of /traced: 1 LAST REFUSED ASKED FULL PID COMMAND CGROUP * 1 1 5/5 * ioasid-hold /traced/one Held in /traced, 4 of 5: *ioasid-hold*/traced/two*' \
		ioasidctl why /traced
	is '*why: the record began at *' ioasidctl why -s 3600 /traced
	# Reading does not empty it.
	is '*: 1 *' ioasidctl why /traced
	is '*Refused in the last 60 s by the limit of /traced/one: 0 *' ioasidctl why /traced/one
	is '*Refused in the last 60 s because the machine had too few IDs: 0 *' ioasidctl why /
	is '*{ "cgroup": "/traced", "seconds": 60, "current": 4, "max": 5, "refused": \[ { *"requests": 1, *"command": "ioasid-hold", "cgroup": "/traced/one", *"sets": \[ {*"command": "ioasid-hold",*' \
		ioasidctl why -J /traced
	# A cgroup that is gone is still named. Its name is no refusal.
	mkdir "$root/traced/x: ioasid_refused: cgroup=1 set=1 by=limit limit=$(id_of traced) comm=nobody"
	rmdir $root/traced/x*
	ioasidctl set -c /traced/short max
	asks traced/short 2
	rmdir $root/traced/short
	is '*: 2 *ioasid-hold /traced/short *ioasid-hold /traced/one *' ioasidctl why /traced
	kill $holder
	wait $holder || true
	ioasidctl record
	is '*: 2 *' ioasidctl why /traced
	systemctl stop ioasids-record
	fails 5 '*nothing is recorded*' ioasidctl why /traced
	is '' ls $tracefs/instances
}

# without FILE COMMAND...: where FILE does not exist or is empty.
without() {
	unshare --mount sh -c '
		if [ -d "$0" ]; then mount -t tmpfs none "$0"; else mount --bind /dev/null "$0"; fi
		exec "$@"' "$@"
}

names_what_is_missing() {
	fails 5 '*cannot trace: this kernel has no tracepoint ioasid_adopt' without $events ioasidctl trace
	fails 5 '*cannot trace: this kernel has no tracepoint ioasid_refused' without $events ioasidctl trace -e refused
	fails 5 '*cannot trace: no tracepoints in /sys/kernel/tracing:*' without $tracefs ioasidctl trace
	fails 5 '*cannot trace: no /sys/kernel/tracing/events/ioasid:*' without $events ioasidctl record
	fails 5 '*cannot trace: no type information*' without /sys/kernel/btf/vmlinux ioasidctl trace
	fails 5 '*cannot trace: it needs CAP_BPF and CAP_PERFMON, or root' \
		setpriv --bounding-set=-bpf,-perfmon,-sys_admin --inh-caps=-bpf,-perfmon,-sys_admin ioasidctl trace
	make_user
	fails 5 '*cannot trace: only root may read /sys/kernel/tracing' as_user ioasidctl trace
	fails 5 '*cannot trace: only root may use /sys/kernel/tracing' as_user ioasidctl record
	fails 2 "*there is no event 'x';*" ioasidctl trace -e x
	fails 2 "*'0' is no PID" ioasidctl trace -p 0
	fails 2 "*'x' is no number of seconds" ioasidctl trace -d x
	fails 3 '*' ioasidctl trace /nowhere
}

recipe_for_tracefs() {
	local mine=$tracefs/instances/ioasids-mine
	mkdir $mine
	cd $mine
	echo 1 >events/ioasid/ioasid_refused/enable
	echo "limit == $(id_of traced/one)" >events/ioasid/ioasid_refused/filter
	asks traced/one 3
	asks traced/two 6
	is 1 grep -c 'ioasid_refused: ' trace
	is '*cgroup=* set=* by=limit limit=* asked=1 used=2 max=2 owner=* tgid=* comm=ioasid-hold' grep 'ioasid_refused: ' trace
	cd /
	rmdir $mine
}

recipe_for_histograms() {
	cd $events
	echo 'hist:keys=cgroup,limit,comm:vals=asked' >ioasid_refused/trigger
	echo 'hist:keys=tgid,comm:sort=hitcount.descending' >ioasid_alloc/trigger
	asks traced/one 3
	asks traced/one 3
	is "*{ cgroup: $(id_of traced/one), limit: $(id_of traced/one), comm: ioasid-hold } hitcount: 2 asked: 2 *" cat ioasid_refused/hist
	is '*comm: ioasid-hold } hitcount: 2 *comm: ioasid-hold } hitcount: 2 *' cat ioasid_alloc/hist
	echo '!hist:keys=cgroup,limit,comm:vals=asked' >ioasid_refused/trigger
	echo '!hist:keys=tgid,comm:sort=hitcount.descending' >ioasid_alloc/trigger
	cd $tracefs
	echo 's:ioasid_held u64 held' >>dynamic_events
	echo 'hist:keys=id:t=common_timestamp' >events/ioasid/ioasid_alloc/trigger
	echo 'hist:keys=id:held=common_timestamp-$t:onmatch(ioasid.ioasid_alloc).trace(ioasid_held,$held)' \
		>events/ioasid/ioasid_free/trigger
	echo 'hist:keys=held.log2' >events/synthetic/ioasid_held/trigger
	asks traced/one 2
	is '*held: ~ 2^* } hitcount: *' cat events/synthetic/ioasid_held/hist
	echo '!hist:keys=held.log2' >events/synthetic/ioasid_held/trigger
	echo '!hist:keys=id:held=common_timestamp-$t:onmatch(ioasid.ioasid_alloc).trace(ioasid_held,$held)' \
		>events/ioasid/ioasid_free/trigger
	echo '!hist:keys=id:t=common_timestamp' >events/ioasid/ioasid_alloc/trigger
	echo '-:ioasid_held' >>dynamic_events
	cd /
}

recipe_for_trace_cmd() {
	cd /run
	trace-cmd record -e ioasid /run/asking
	is '*ioasid_alloc:*' trace-cmd report
	is '*ioasid_refused: * by=limit limit=* asked=1 used=2 max=2 *comm=ioasid-hold*' trace-cmd report
	rm trace.dat
}

recipe_for_perf() {
	cd /run
	is '*ioasid:ioasid_refused(*' perf trace --no-syscalls -e 'ioasid:*' -a /run/asking
	perf record -e ioasid:ioasid_refused -a /run/asking
	is '*ioasid:ioasid_refused: * by=limit limit=* asked=1 used=2 max=2 *' perf script
	rm perf.data
}

# bpftraces PROGRAM: with three requests, of which one is refused; prints to /run/traced.
bpftraces() {
	# It takes only a binary.
	bpftrace -e "$1" -c '/bin/sh /run/asking' >/run/traced 2>&1 || { cat /run/traced; false; }
}

recipe_for_bpftrace() {
	bpftraces 'tracepoint:ioasid:ioasid_refused
		{ printf("%s[%d] asked for %d: %d of %d\n", args->comm, args->tgid, args->asked, args->used, args->max); }'
	is '*ioasid-hold\[*\] asked for 1: 2 of 2*' cat /run/traced
	bpftraces 'tracepoint:ioasid:ioasid_refused { @[args->comm, args->limit] = count(); }'
	is "*@\[ioasid-hold, $(id_of traced/one)\]: 1*" cat /run/traced
	bpftraces 'tracepoint:ioasid:ioasid_alloc { @t[args->id] = nsecs; }
		tracepoint:ioasid:ioasid_free /@t[args->id]/
		{ @ms = hist((nsecs - @t[args->id]) / 1000000); delete(@t[args->id]); }'
	is '*@ms: *|*' cat /run/traced
}

ends_all() {
	rmdir $root/traced/one $root/traced/two $root/traced
}

check 'tracing: cgroups for it' prepare_cgroups
check 'ioasidctl trace: each event as a JSON object' tells_as_json
check 'ioasidctl trace: events in words' tells_in_words
check 'ioasidctl trace: of one process' tells_of_one_process
check 'ioasidctl trace: a summary' sums_up
check 'ioasidctl trace: names of cgroups behind a link' finds_names_behind_a_link
check 'ioasidctl events -f: says who was refused' says_who_was_refused
check 'ioasidctl events -f: says it of cgroups that are gone' says_it_of_gone_cgroups
check 'ioasidctl why, record' answers_why
check 'ioasidctl trace: names what is missing' names_what_is_missing
check 'tracing: the recipe for tracefs' recipe_for_tracefs
check 'tracing: the recipes for histograms' recipe_for_histograms
check 'tracing: the recipe for trace-cmd' recipe_for_trace_cmd
check 'tracing: the recipes for perf' recipe_for_perf
check 'tracing: the recipes for bpftrace' recipe_for_bpftrace
check 'tracing: nothing is left' ends_all
