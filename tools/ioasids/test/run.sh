#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2034,SC2054,SC2059,SC2154
#
# Tests ioasidctl on this machine, with a directory in the place of cgroup v2: the table of
# commands and environments with the sanitizers and with valgrind, and what needs no kernel.
# Prints each result, and fails if one is bad. Objects are put into O. PROMTOOL is a program
# of Prometheus.

CDPATH='' cd "$(dirname "$0")" || exit
set -uo pipefail
export LC_ALL=C.UTF-8
: "${O:=$(mktemp -d)}" "${PROMTOOL:=promtool}"
work=$O/work
mkdir -p "$work/etc"

# build DIRECTORY FLAG...: all programs, with the functions of fake.c instead of the library's.
build() {
	local objects=$O/$1 wrap
	shift
	mkdir -p "$objects"
	wrap=$(grep -oP '__wrap_\K\w+(?=\()' fake.c | sort -u | sed 's/^/-Wl,--wrap=/' | xargs)
	${CC:=gcc} -O1 -g -Wall -Wextra "$@" -c -o "$objects/fake.o" fake.c &&
		make -s -C .. O="$objects" CC="$CC" CFLAGS="-O1 -g $*" LDFLAGS="$objects/fake.o $wrap" \
			SYSCONFDIR="$work/etc" PREFIX="$work/usr" CDIDIR="$work/etc/cdi"
}

# elsewhere DIRECTORY FLAG...: the programs in DIRECTORY once more; who has $work/proc in the
# place of /proc, and why and record have $work/tracefs in the place of tracefs.
elsewhere() {
	local objects=$O/$1.elsewhere name=$1.elsewhere file
	rm -rf "$objects"
	mkdir -p "$work/proc"
	cp -rp "$O/$1" "$objects"
	shift
	for file in who why; do
		sed "s,\"/proc,\"$work/proc,; s,^#include \"tracer.h\",&\n#undef TRACEFS\n#define TRACEFS \"$work/tracefs\"," "../$file.c" |
			${CC:=gcc} -O1 -g "$@" -I.. -x c -c -o "$objects/$file.o" - || return
	done
	build "$name" "$@"
}

# What container engines install.
programs=(usr/bin/{podman,crun,dockerd,containerd,crio,kubelet,lxc-start,incus,systemd-nspawn})

# kernel DIRECTORY: what $FAKE has.
kernel() {
	local root=$1/root path file
	mkdir -p "$root"
	: >"$root/cgroup.procs"
	echo ioasids >"$root/cgroup.controllers"
	echo ioasids >"$root/cgroup.subtree_control"
	printf 'nr_dying_descendants 4\nnr_subsys_ioasids 5\nnr_dying_subsys_ioasids 2\n' >"$root/cgroup.stat"
	printf 'total 1048575\nkernel 1\nuser 7\navailable 1048567\n' >"$root/ioasids.capacity"
	for path in table.slice system.slice job job/part; do
		export FAKE=${root%/root}
		"$plain/ioasidctl" set -c "/$path" 9
	done
	for file in events events.local; do
		printf 'max 3\nalloc_fail 4\n' | tee "$root/job/ioasids.$file" >"$root/job/part/ioasids.$file"
	done
	echo 7 | tee "$root"/job{,/part}/ioasids.{current,peak} >/dev/null
	printf 'allocated 5\nreserved 2\nsets 1\n' | tee "$root/job/part/ioasids.stat" >"$root/job/ioasids.stat"
	: >"$root/../kmsg"
	for path in "${programs[@]}"; do
		install -D /dev/null "$FAKE/$path"
	done
	echo '0::/job/part' >"$root/../cgroup"
	printf 'id\ttype\tquota\tallocated\tpid\tcommand\tcgroup\n7\tprocess\t0\t5\t1\tholder\t/job/part\n' >"$root/../sets"
	printf '7 0 0 5 1 0 holder\n8 0 9 5 1 4000000000 \033[2J\n' >"$root/../holders"
	printf '7 10 5\n7 10 6\n8 10 6\n7 10 5\n' >"$root/../devices"
	device 10:5 uacce 'hisi_zip-0'
	device 10:6 dsa $'dsa!wq0.\e'
	device 10:7 mem null
	echo '7 10 7' >>"$root/../devices"
}

# device NUMBER SUBSYSTEM NAME: a character device, in sysfs.
device() {
	mkdir -p "$FAKE/sys/dev/char" "$FAKE/sys/devices/$3"
	ln -s "../../devices/$3" "$FAKE/sys/dev/char/$1"
	ln -s "../../bus/$2" "$FAKE/sys/devices/$3/subsystem"
}

# Names that a terminal, a shell, a printf() or a file format would take for something else.
names=($'esc\e[2J' $'line\nbreak' $'latin\xe9' $'bidi\u202e' $'c1\u0085' $'tab\ta' 'back\slash\x2d\134' '"quoted"' ' blank ' '#hash;'
	'%s%n%99999d' '$(touch x)`touch x`' '-o' '..x' '.hidden' '*' "$(printf 'n%.0s' {1..255})" '_job.slice')

# prepare ENVIRONMENT: makes it as it is in the beginning, if the last command has changed it.
turn=0
prepare() {
	local n
	export FAKE=$work/$1
	file=$FAKE/limits
	cgroup=/job/part
	[ "$1" != names ] || cgroup=/job/${names[turn++ % ${#names[@]}]}
	if [ -e "$FAKE" ]; then
		[ ! -e "$FAKE/made" ] || [ "$(find "$FAKE" -newer "$FAKE/made" -print -quit 2>/dev/null)" ] || return 0
		chmod -R u+rwX "$FAKE"
		rm -rf "$FAKE"
	fi
	cp -r "$work/kernel" "$FAKE"
	printf '[Limit]\nCgroup=/job/part\nMax=3\n[Limit]\nUnit=table.slice\nMax=4\n' >"$file"
	echo 1 >"$FAKE/enable"
	case $1 in
	names)
		for n in "${names[@]}"; do
			cp -r "$FAKE/root/job/part" "$FAKE/root/job/$n"
		done
		printf '8\tprocess\t9\t5\t1\t\\033[2J\\012\t/job/esc\e[2J\n' >>"$FAKE/sets"
		;;
	older)	rm "$FAKE/sets"
		find "$FAKE/root" -name 'ioasids.*' ! -name ioasids.max ! -name ioasids.current ! -name ioasids.events -delete ;;
	permission)
		find "$FAKE/root" -exec chmod a-w {} +
		chmod 0 "$FAKE/root/system.slice"
		;;
	namespace)
		cp "$FAKE"/root/job/{cgroup.events,ioasids.*} "$FAKE/root"
		rm "$FAKE/root/ioasids.capacity"
		echo '0::/../outside' >"$FAKE/cgroup"
		;;
	esac
	record 1 "$FAKE/root$cgroup" holder $'esc\e[2J' >"$FAKE/trace"
	traced >"$FAKE/events"
	touch "$FAKE/made"
}

# traced: events: ID 5 is held for 3 ms, and ID 6 is not freed; 7 was there before.
traced() {
	cat <<-END
		set_open 1000000 11 0 7 0 0 0 0 0 42 42 holder
		alloc 2000000 11 0 7 0 0 5 0 0 42 42 holder
		alloc 3000000 11 0 7 0 0 6 0 0 42 42 holder
		refused 4000000 11 12 7 9 9 1 0 0 42 42 holder
		refused 4000000 11 0 7 90 99 10 0 1 42 42 holder
		refused 4000000 11 0 7 2 2 1 0 2 42 42 holder
		refused 4000000 11 0 7 1 1 1 0 3 42 42 $(printf 'esc\e[2J')
		free 5000000 11 0 7 0 0 5 0 0 42 1 stranger
		free 5000000 11 0 7 0 0 7 0 0 42 42 holder
		set_quota 6000000 11 0 7 0 0 8 2 0 42 42 holder
		move 7000000 11 13 7 0 0 8 0 0 42 1 mover
		adopt 8000000 13 14 7 0 0 8 0 0 42 43 adopter
		reparent 9000000 14 15 7 0 0 8 0 0 43 2 kworker/0:1
		set_close 9000000 15 0 7 0 0 1 0 0 43 43 adopter
	END
}

# record SECONDS CGROUP COMMAND...: the text of a record in which that limit has refused
# each command, one after the other; the first, so many seconds ago.
record() {
	local id command ago=$1
	id=$(stat -c %i "$2")
	shift 2
	printf '# tracer: nop\n#\n'
	for command; do
		awk -v ago="$ago" -v id="$id" -v command="$command" '{
			printf "%16s-%d [001] d..1. %12.6f: ioasid_refused: cgroup=%d set=7 by=limit limit=%d asked=1 used=9 max=9 owner=7 tgid=8 comm=%s\n",
				command, 7, $1 - ago, id, id, command }' /proc/uptime
		ago=$(awk -v ago="$ago" 'BEGIN { print ago / 2 }')
	done
}

in_plain() { "$@" <"$file" >"$out" 2>"$messages"; }
in_terminal_less() { setsid -w "$@" <"$file" >"$out" 2>"$messages"; }
in_closed() { "$@" <"$file" >&- 2>"$messages"; }
in_full() { "$@" <"$file" >/dev/full 2>"$messages"; }
in_names() { in_plain "$@"; }
in_older() { in_plain "$@"; }
in_namespace() { in_plain "$@"; }
in_narrow() {
	# Messages are longer than its lines.
	TERM=xterm ./terminal.py 8 20 '' sh -c 'exec "$@" 2>"$0"' "$messages" "$@" >"$out"
}
# Root without the capabilities that make permissions void.
in_permission() {
	local drop=-dac_override,-dac_read_search
	if [ "$(id -u)" = 0 ]; then
		in_plain setpriv --bounding-set=$drop --inh-caps=$drop "$@"
	else
		in_plain "$@"
	fi
}
# While it runs, cgroups are made and removed, also the one that it is about.
in_gone() {
	local status=0 maker
	(
		trap 'exit' TERM
		while :; do
			mv "$FAKE/root/job/part" "$FAKE/part"
			mv "$FAKE/part" "$FAKE/root/job/part"
		done
	) 2>/dev/null &
	maker=$!
	in_plain "$@" || status=$?
	kill $maker
	wait $maker
	return $status
}

is_json() { python3 -c 'import json, sys
text = open(sys.argv[1]).read()
try: json.loads(text)
except ValueError: [json.loads(line) for line in text.splitlines()]' "$1" 2>/dev/null; }

# report NAME FUNCTION [ARGUMENT...]: runs a test, which fails with the first command in it
# that fails, and prints the result.
report() {
	local name=$1 log status
	shift
	log=$O/log.$name
	(set -e; "$@") >"$log" 2>&1
	status=$?
	if [ $status = 0 ]; then
		echo "ok - tools.$name"
	else
		sed 's/^/# /' "$log"
		echo "not ok - tools.$name"
		touch "$O/failed"
	fi
}

# rows PREFIX ENVIRONMENT...: two at a time, as some of them wait.
rows() {
	local prefix=$1 environment
	shift
	report "$prefix.plain" row plain
	for environment; do
		report "$prefix.$environment" row "$environment" &
		[ "$(jobs -r | wc -l)" -lt 2 ] || wait -n
	done
	wait
}


# What the table does not see: that the result is right.
ctl() { "$plain/ioasidctl" "$@"; }
same() { [ "$1" = "$2" ] || { echo "'$1' should be '$2'"; return 1; }; }

saves_and_restores() {
	prepare save
	ctl save >"$FAKE/saved"
	same "$(cat "$FAKE/saved")" "$(printf '# %s\n' "Limits that were set; for 'ioasidctl restore' or ioasids.d"
		printf '[Limit]\n%s\nMax=9\n' Cgroup=/job Cgroup=/job/part Unit=system.slice Unit=table.slice)"
	ctl set /job 4
	ctl set system.slice max
	ctl set --create new.slice 2
	same "$(ctl restore --dry-run --exact "$FAKE/saved")" $'/job: 4 becomes 9\n/system.slice: max becomes 9\n/new.slice: 2 becomes max'
	same "$(cat "$FAKE/root/job/ioasids.max")" 4
	ctl restore "$FAKE/saved"
	same "$(cat "$FAKE"/root/{job,system.slice,new.slice}/ioasids.max | xargs)" '9 9 2'
	ctl restore -e <"$FAKE/saved"
	same "$(cat "$FAKE"/root/{job,system.slice,new.slice}/ioasids.max | xargs)" '9 9 max'
	same "$(ctl restore -n -e "$FAKE/saved")" ''
	same "$(ctl save)" "$(cat "$FAKE/saved")"
	# Of one cgroup, and without a limit; and what the files of ioasids.d have.
	same "$(ctl save /job | grep -c Max)" 2
	ctl disable --children /job
	ctl restore "$FAKE/saved"
	same "$(cat "$FAKE/root/job/part/ioasids.max")" 9
	mkdir -p "$work/etc/ioasids.d"
	cp "$FAKE/saved" "$work/etc/ioasids.d/saved.conf"
	ctl set /job 1
	same "$(ctl check | grep 'limit of /job ')" "WRONG: the limit of /job is 1, and should be 9, as $work/etc/ioasids.d/saved.conf says: 'ioasidctl apply' sets it"
	# It ends with 1, as there is no systemd that could reload.
	ctl apply && false
	same "$(cat "$FAKE/root/job/ioasids.max")" 9
	"$plain/generator" "$FAKE" "$FAKE" "$FAKE"
	[ -e "$FAKE/table.slice.d/zz-ioasids.conf" ]
	same "$(find "$FAKE" -name 'zz-*' | wc -l)" 2
	rm -r "$work/etc/ioasids.d"
}

tells_of_events() {
	local words
	prepare trace
	words=$(ctl trace -e all -d 0.1 2>"$FAKE/said" | cut -d ' ' -f 2-)
	same "$words" "$(cat <<-END
		set_open  cgroup-11 (gone) holder[42]: set 7, 0 IDs
		alloc     cgroup-11 (gone) holder[42]: 5
		alloc     cgroup-11 (gone) holder[42]: 6
		refused   cgroup-11 (gone) holder[42]: asked for 1; the limit of cgroup-12 (gone): 9 of 9
		refused   cgroup-11 (gone) holder[42]: asked for 10; the machine: 90 of 99
		refused   cgroup-11 (gone) holder[42]: asked for 1; its reservation: 2 of 2
		refused   cgroup-11 (gone) esc\\x1b[2J[42]: asked for 1; the range that it can use: 1 of 1
		free      cgroup-11 (gone) stranger[1]: 5, of process 42
		free      cgroup-11 (gone) holder[42]: 7
		set_quota cgroup-11 (gone) holder[42]: 8, before: 2
		move      cgroup-13 (gone) mover[1]: of process 42 moved with 8 from cgroup-11 (gone)
		adopt     cgroup-14 (gone) adopter[43]: adopted from process 42 with 8 in cgroup-13 (gone)
		reparent  cgroup-15 (gone) kworker/0:1[2]: of process 43 with 8, from cgroup-14 (gone), which was removed
		set_close cgroup-15 (gone) adopter[43]: set 7, 1 IDs
		END
	)"
	same "$(cat "$FAKE/said")" 'ioasidctl: trace: 3 events were lost'
	same "$(ctl trace -n 2 -d 9 2>/dev/null | wc -l)" 2
	same "$(ctl trace -e move,adopt -d 0.1 2>/dev/null | wc -l)" 2
	same "$(ctl trace -d 0.1 /job 2>&1)" \
		$'ioasidctl: trace: 3 events were lost\nioasidctl: trace: 12 events of cgroups that are not found were left out'
	# It ends after the two allocations.
	[[ $(ctl trace -q -n 2 -d 99 2>/dev/null | xargs) = *'cgroup-11 (gone) 2 0 0 0 0 '* ]]
	same "$(ctl trace -J -S -d 0.1 | python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
print([sum(line["event"] == event for line in lines) for event in ("alloc", "refused", "set_open", "lost")])
print([line["by"] for line in lines if line["event"] == "refused"])
end = lines[-1]
print(end["lost"], end["held"], end["held_unknown"])
print([[c[k] for k in ("cgroup_id", "taken", "given", "refused", "in", "out")] for c in end["cgroups"]])
print([[p[k] for k in ("pid", "command", "taken", "given", "refused")] for p in end["processes"]])')" "$(cat <<-END
		[2, 4, 0, 1]
		['limit', 'capacity', 'quota', 'range']
		3 [{'least_us': 2048, 'count': 1}] 1
		[[11, 2, 2, 4, 0, 8], [13, 0, 0, 0, 8, 8], [14, 0, 0, 0, 8, 8], [15, 0, 0, 0, 8, 0]]
		[[42, 'holder', 2, 2, 4]]
		END
	)"
	words=$(ctl trace -q -d 0.1 2>/dev/null)
	[[ $(xargs <<<"$words") = 'CGROUP TAKEN GIVEN REFUSED IN OUT cgroup-11 (gone) 2 2 4 0 8 '*' PID COMMAND TAKEN GIVEN REFUSED 42 holder 2 2 4 How long IDs were held: 2 ms or more 1 #'*' unknown 1' ]]
}

# Where the kernel's list cannot be read, BPF tells; it knows no paths of cgroups here.
lists_holders() {
	local columns=SET,PID,COMMAND,ALLOCATED,RESERVED,USER,LIMIT,DEVICE,CGROUP
	prepare holders
	who() { ctl who -n -o "$@" | awk '{ $1 = $1; print }'; }
	ctl set /job 4
	same "$(who $columns 2>&1)" '7 1 holder 5 - root 4 hisi_zip-0,dsa/wq0.\x1b /job/part'
	same "$(who USER,LIMIT 2>&1)" 'root 4'
	ctl set /job max
	ctl set /job/part max
	same "$(ctl who -J -o USER,LIMIT,DEVICE | tr -s '\n ' ' ')" \
		'{ "complete": true, "sets": [ { "user": "root", "limit": null, "device": [ "hisi_zip-0", "dsa/wq0.\u001b" ] } ] } '
	rm "$FAKE/sets"
	same "$(who $columns 2>"$FAKE/said")" "$(printf '%s\n' \
		'8 1 \x1b[2J 5 4 4000000000 - dsa/wq0.\x1b -' '7 1 holder 5 - root - hisi_zip-0,dsa/wq0.\x1b -')"
	same "$(cat "$FAKE/said")" \
		'ioasidctl: who: only the sets of processes are listed, none of the kernel: cannot read /sys/kernel/debug/ioasid/sets'
	same "$(ctl who -J 2>/dev/null | grep -c '"complete": false')" 1
	printf '9 0 0 1 0 4294967295 -\n' >"$FAKE/holders"
	rm "$FAKE/devices"
	same "$(who SET,PID,USER,DEVICE 2>/dev/null)" '9 - -'
	# A process without a name, one that is called -, and one that is dead
	printf '%s\t\tprocess\t0\t5\t%s\t%s\t/job/part\n' 1 1 '' 2 1 - 3 - - | sed 's/\t\t/\t/' >"$FAKE/sets"
	same "$(ctl who -r -n -o SET,COMMAND,ALLOCATED)" $'1 - 5\n2 - 5\n3 - 5'
	same "$(ctl who -P -n -o COMMAND | sort -u)" 'COMMAND="-"'
	same "$(ctl who -n -o SET,COMMAND,ALLOCATED | awk '{ $1 = $1; print }')" $'1 - 5\n2 - 5\n3 - 5'
	same "$(ctl who -J -o COMMAND | grep command | xargs)" 'command: null command: - command: null'
}

# To the root belong sets that no cgroup pays for, but not to the root of a namespace. And who
# does not see all of them is told.
lists_all_in_the_root() {
	prepare root
	rm -rf "$work/tracefs"
	instance ioasids ioasid/ioasid_refused 1
	ctl() { "$plain.elsewhere/ioasidctl" "$@"; }
	printf '8\tkernel\t0\t3141\t-\t-\t-\n9\tprocess\t0\t2\t-\t-\t-\n10\tprocess\t0\t1\t5\tother\t/../outside\n' >>"$FAKE/sets"
	same "$(ctl who -n -r -o SET / | xargs)" '8 7 9 10'
	same "$(ctl who -n -r -o SET /job | xargs)" 7
	same "$(ctl why / | sed '1,/^Held/d' | wc -l)" 5
	same "$(ctl why -J / | grep -cE '"complete": true|"set":')" 5
	top_with '\r x' >"$FAKE/screen"
	grep -q 3141 "$FAKE/screen"
	: >"$FAKE/root/cgroup.events"
	echo 5 | tee "$FAKE"/root/ioasids.{max,current}
	same "$(ctl who -n -r -o SET / | xargs)" 7
	rm "$FAKE/root/cgroup.events" "$FAKE/sets"
	same "$({ ctl who /; ctl why /; ctl why -J /; } 2>&1 >/dev/null | grep -c '^ioasidctl: who: only the sets of processes are listed, none')" 3
	top_with '\r x' >"$FAKE/screen"
	grep -q 'who: only the sets of processes' "$FAKE/screen"
}

# cpu_of WIDTH COMMAND...: the CPU time that it needs in a terminal of this width, in ms, which
# is about the same however busy the machine is.
cpu_of() { TERM=xterm ./terminal.py 24 "$1" '' "${@:2}" 3>&1 >/dev/null; }

# Each descriptor costs the same, however many there are of a set; and each set.
lists_many() {
	local least most format pid
	prepare many
	ctl() { "$plain.elsewhere/ioasidctl" "$@"; }
	# So long a PID has the effect of more descriptors.
	pid=$(printf '4%.0s' {1..250})
	python3 - "$work/proc/$pid" <<-'END'
		import os, sys
		os.makedirs(sys.argv[1] + '/fd')
		os.mkdir(sys.argv[1] + '/fdinfo')
		for fd in range(10000):
		    os.symlink('/dev/ioasid', '%s/fd/%d' % (sys.argv[1], fd))
		    with open('%s/fdinfo/%d' % (sys.argv[1], fd), 'w') as info:
		        info.write('pos:\t0\nioasid-set:\t7\nioasid-cgroup:\t/job/part\n')
		END
	least=$(cpu_of 80 "$plain.elsewhere/ioasidctl" who -o SET)
	for format in -r -J -P -l; do
		most=$(cpu_of 80 "$plain.elsewhere/ioasidctl" who $format -o OPEN)
		echo "$least ms, and $most ms with $format and the descriptors"
		[ "$most" -lt $((10 * least)) ]
	done
	same "$(ctl who -r -n -o OPEN | tr , '\n' | sort -u | wc -l)" 10000
	same "$(ctl who -J -o OPEN | grep -c "$pid:")" 10000
	same "$(ctl who -n -o OPEN | sed 's/[0-9]*:[0-9]*/FD/g')" 'FD,FD,FD,FD,FD,FD,FD,FD,FD,FD and 9990 more'
	rm -r "$work/proc/$pid"
	for most in 5000 100000; do
		seq "$most" | awk '{ printf "%d\tprocess\t0\t5\t1\tholder\t/job/part\n", $1 }' >"$FAKE/sets"
		least=$((most == 5000 ? $(cpu_of 80 "$plain/ioasidctl" who -r -o SET) : least))
	done
	most=$(cpu_of 80 "$plain/ioasidctl" who -r -o SET)
	echo "$least ms, and $most ms with twenty times as many sets"
	[ "$most" -lt $((30 * least)) ]
}

# The cgroups of sets can be nested deeper than a path can tell, and their limits are read once.
lists_deep() {
	local whole most
	prepare deeper
	# A path of 1 MB, and one of 1000 levels
	awk 'BEGIN {
		while (length(path) < 2 ^ 20) path = path "/a"
		for (i = 0; i < 200; i++) printf "%d\tprocess\t0\t5\t1\tholder\t%s\n", i, path
	}' >"$FAKE/sets"
	(ulimit -v 150000 && ctl who -r -n -o CGROUP) >"$FAKE/paths"
	same "$(uniq "$FAKE/paths" | sed 's/a.*a/-/')" /-...
	same "$(sort -u "$FAKE/paths" | wc -L)" 4099
	awk 'BEGIN {
		while (levels++ < 1000) path = path "/a"
		for (i = 0; i < 200; i++) printf "%d\tprocess\t0\t5\t1\tholder\t%s\n", i, path
	}' >"$FAKE/sets"
	mkdir -p "$FAKE/root/$(printf 'a/%.0s' {1..1000})"
	echo 3 >"$FAKE/root/a/ioasids.max"
	echo 4 >"$FAKE/root/a/a/ioasids.max"
	same "$(ctl who -r -n -o LIMIT | uniq)" 3
	whole=$(cpu_of 80 "$plain/ioasidctl" who -r -o CGROUP)
	most=$(cpu_of 80 "$plain/ioasidctl" who -r -o LIMIT)
	echo "$whole ms, and $most ms with limits"
	[ "$most" -lt $((15 * whole)) ]
}

# instance NAME EVENT ENABLED: an instance of tracefs.
instance() {
	local directory=$work/tracefs/instances/$1 file
	mkdir -p "$directory/events/$2" "$work/tracefs/events/$2"
	for file in trace trace_clock buffer_size_kb events/enable "events/$2/filter"; do
		echo before >"$directory/$file"
	done
	echo "$3" >"$directory/events/$2/enable"
}

# A record is begun as a whole or not at all, and ended as far as possible. A directory that is
# made has no files here, as if there was no memory for them; and one with files stays, as an
# instance that a program has open.
keeps_a_record() {
	local all=$work/tracefs/instances refusals removals file
	prepare record
	refusals=$all/ioasids removals=$all/ioasids-removals
	# shellcheck disable=SC2317
	ctl() { "$plain.elsewhere/ioasidctl" "$@"; }
	rm -rf "$work/tracefs"
	instance ioasids-removals cgroup/cgroup_rmdir 0
	mkdir -p "$work/tracefs/events/ioasid/ioasid_refused"
	ends 1 ctl record -k 8
	same "$(cat "$FAKE/said")" "ioasidctl: record: $refusals: No such file or directory"
	[ ! -e "$refusals" ]
	# What was left of an earlier one was set up anew, and is off again.
	same "$(for file in trace_clock buffer_size_kb trace events/enable; do xargs <"$removals/$file"; done | xargs)" 'boot 8 0'
	rm -r "$removals"
	instance ioasids ioasid/ioasid_refused 0
	ends 1 ctl record
	same "$(ls "$all") $(cat "$refusals/trace")" 'ioasids before'
	instance ioasids-removals cgroup/cgroup_rmdir 0
	ends 0 ctl record
	for file in "$refusals" "$removals"; do
		same "$(cat "$file"/{trace_clock,trace,events/enable,events/*/*/enable} | tr '\n' ' ')" 'bootbefore 1'
		same "$(cat "$file/buffer_size_kb")" 64
	done
	# One that goes on keeps its events. It does so too if something about it cannot be changed.
	echo event >"$refusals/trace"
	echo 4 >"$refusals/buffer_size_kb"
	ends 0 ctl record
	same "$(cat "$refusals"/{trace,buffer_size_kb} | xargs)" 'event 4'
	ends 0 ctl record -k 9
	same "$(cat "$refusals"/{trace,buffer_size_kb} | xargs)" 'event 9'
	rm "$removals/events/cgroup/cgroup_rmdir/filter"
	ends 1 ctl record
	same "$(cat "$refusals"/{trace,events/enable} | xargs)" 'event before'
	# One that is open does not keep the other from ending.
	ends 1 ctl record --stop
	same "$(cat "$FAKE/said")" "ioasidctl: record: $refusals: Directory not empty"
	same "$(cat "$all"/*/events/enable)" 00
	rm -r "$removals"
	mkdir "$removals"
	ends 1 ctl record --stop
	same "$(ls "$all")" ioasids
	rm -r "$refusals"
	ends 0 ctl record --stop
}

# tells_why DIRECTORY: by the program there. Only refusals by this limit, and only of this time,
# are told; each process once.
tells_why() {
	local program=$1 why old recent trace=$work/tracefs/instances/ioasids/trace
	prepare why
	rm -rf "$work/tracefs"
	instance ioasids ioasid/ioasid_refused 1
	ctl() {
		local status=0
		ASAN_OPTIONS=exitcode=99 "$program/ioasidctl" "$@" || status=$?
		# head does not read all, which ends it with 141.
		[[ $status = @([0-5]|141) ]] || touch "$FAKE/crashed"
		return $status
	}
	# The machine may just have started.
	old=$(awk '{ print int($1 < 400 ? $1 * 3 / 4 : 300) }' /proc/uptime)
	recent=$((old * 2 / 3))
	record "$old" "$FAKE/root/job/part" early late late late 'two words' 'a by=capacity b' >"$trace"
	record 4 "$FAKE/root/job" other | tail -n 1 >>"$trace"
	touch -d '1 day ago' "$trace"
	why=$(ctl why -s $recent /job/part)
	[[ $why = 'Refused in the last '$recent' s by the limit of /job/part: 5'$'\n'LAST* ]]
	# A process that changes its name is one, and no name is another reason.
	same "$(awk '$4 == "9/9" { $1 = ""; print }' <<<"$why")" " 5 1 9/9 8 a by=capacity b cgroup-$(stat -c %i "$FAKE/root/job/part") (gone)"
	same "$(ctl why -s $recent / | head -n 1)" 'Refused in the last '$recent' s because the machine had too few IDs: 0'
	[[ $why = *'Held in /job/part, 7 of 9:'*holder* ]]
	same "$(ctl why -s 1 /job/part | head -n 1)" 'Refused in the last 1 s by the limit of /job/part: 0'
	same "$(ctl why -s $((old + 100)) /job/part | head -n 1)" "Refused in the last $((old + 100)) s by the limit of /job/part: 6"
	same "$(ctl why -J /job | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["current"], d["max"], [(r["requests"], r["command"]) for r in d["refused"]], len(d["sets"]))')" "7 9 [(1, 'other')] 1"
	# UTF-8 of a character beyond Unicode
	record 4 "$FAKE/root/job" $'\xf4\x90\x80\x80' >"$trace"
	same "$(ctl why -J /job | python3 -c 'import json, sys; print(ascii(json.load(sys.stdin)["refused"][0]["command"]))')" "'\\ufffd'"
	# A process without a name
	record 4 "$FAKE/root/job" '' >"$trace"
	same "$(ctl why /job | awk '$4 == "9/9" { print $6 }')" -
	same "$(ctl why -J /job | python3 -c 'import json, sys; print(json.load(sys.stdin)["refused"][0]["command"])')" None
	# A record that is younger than that time
	touch -d "@$(($(date +%s) - 20)).5" "$trace"
	same "$(ctl why -s 60 /job 2>&1 >/dev/null)" "ioasidctl: why: the record began at $(date -d "@$(stat -c %Y "$trace")" '+%F %T')"
	same "$(ctl why -s 10 /job 2>&1 >/dev/null)" ''
	touch -d '1 day ago' "$trace"
	# A record that is too small for that time. Of three CPUs one has lost no event, and one
	# no recent event.
	mkdir -p "${trace%/*}"/per_cpu/cpu{0,1,2}
	cpu() { awk "{ printf \"entries: 1\\noverrun: $2\\noldest event ts: %12.6f\\n\", \$1 - $3 }" /proc/uptime >"${trace%/*}/per_cpu/cpu$1/stats"; }
	cpu 0 0 $((old / 3))
	cpu 1 5 "$old"
	cpu 2 5 '$1'
	[[ $(ctl why -s $((old + 100)) /job/part 2>&1 >/dev/null) = *'did not fit into the record'* ]]
	same "$(ctl why -s $recent /job/part 2>&1 >/dev/null)" ''
	# Without a cgroup it is the root.
	same "$(ctl why)" "$(ctl why /)"
	[[ $(ctl help why) = 'Usage: ioasidctl why [-J] [-s N] [CGROUP]'* ]]
	same "$(sed -n 's/^\.B \(ioasidctl why \\f.*\)/\1/p' ../ioasidctl.8 | sed 's/\\f.//g; s/\\-/-/g')" 'ioasidctl why [-J] [-s N] [CGROUP]'
	# Where the event is off, as after an error, no refusal says nothing.
	echo 0 >"${trace%/*}/events/ioasid/ioasid_refused/enable"
	ends 5 ctl why /job
	[[ $(cat "$FAKE/said") = *'nothing is recorded'* ]]
	rm -r "${trace%/*}"
	ends 5 ctl why /job
	[[ $(cat "$FAKE/said") = *'nothing is recorded'* ]]
	[ ! -e "$FAKE/crashed" ]
}

restores_names() {
	prepare names
	local saved
	ctl save >"$FAKE/saved"
	same "$(grep -c '^Cgroup=' "$FAKE/saved")" $((${#names[@]} + 2))
	saved=$(ctl ls -J -o MAX)
	find "$FAKE/root" -name ioasids.max -exec sh -c 'for file; do echo max >"$file"; done' - {} +
	ctl restore "$FAKE/saved"
	same "$(ctl ls -J -o MAX)" "$saved"
	LC_ALL=C ctl save >"$FAKE/saved"
	find "$FAKE/root" -name ioasids.max -exec sh -c 'for file; do echo max >"$file"; done' - {} +
	ctl restore "$FAKE/saved"
	same "$(ctl ls -J -o MAX)" "$saved"
}

restores_all_or_nothing() {
	local text status
	prepare errors
	for text in '' 'Max=1' 'Cgroup=/job' 'Cgroup=/\nMax=1' 'Cgroup=job\nMax=1' 'Cgroup=/../x\nMax=1' 'Cgroup=/a\nUnit=b.slice\nMax=1' \
		'Cgroup=/a\nCgroup=/b\nMax=1' 'Cgroup=/job\nMax=-1'; do
		printf "Cgroup=/job/part\nMax=1\n[Limit]\n$text" >"$FAKE/wrong"
		[ "$text" ] || : >"$FAKE/wrong"
		status=0
		ctl restore --exact "$FAKE/wrong" || status=$?
		same "$status" 1
		same "$(cat "$FAKE"/root/job{,/part}/ioasids.max | xargs)" '9 9'
	done
	# One that is gone does not keep the others from their limits, and is told.
	printf 'Cgroup=/none\nMax=1\n[Limit]\nUnit=none.slice\nMax=1\n[Limit]\nCgroup=/job\nMax=1\n' >"$FAKE/some"
	status=0
	ctl restore "$FAKE/some" || status=$?
	same "$status" 3
	same "$(cat "$FAKE/root/job/ioasids.max")" 1
	for text in /nowhere "$FAKE"; do
		status=0
		ctl restore "$text" || status=$?
		same "$status" 1
	done
}

# ends STATUS COMMAND...: its output is put into $FAKE/printed, and its messages into $FAKE/said.
ends() {
	local status=0
	"${@:2}" >"$FAKE/printed" 2>"$FAKE/said" || status=$?
	same "$status" "$1"
}

# services ENVIRONMENT ANSWER: systemd runs, and has two services that are limited to 5. It gives
# this answer to who asks for the cgroup of the second one.
services() {
	local name
	prepare "$1"
	for name in a b@1; do
		ctl set -c "/system.slice/$name.service" 5
	done
	printf '%s\n' 'a.service /system.slice/a.service' "b@1.service $2" >"$FAKE/units"
}

service_limits() { cat "$FAKE"/root/{job,system.slice/a.service,system.slice/b@1.service}/ioasids.max | xargs; }

unanswered=(org.freedesktop.DBus.Error.{NoReply,AccessDenied})
unloaded=(org.freedesktop.systemd1.NoSuchUnit org.freedesktop.DBus.Error.Unknown{Object,Interface,Property})

# Only if it is known which cgroups the limits of a file are for, others lose their limits.
removes_only_what_is_known() {
	local error unit why
	for unit in b@1.service b@.service; do
		for error in /system.slice/b@1.service "${unanswered[@]}" "${unloaded[@]}" stopped; do
			services unknown "$error"
			printf 'Unit=a.service\nMax=4\n[Limit]\nUnit=%s\nMax=4\n' $unit >"$FAKE/wanted"
			case $error in
			/*)	ends 0 ctl restore -e "$FAKE/wanted"
				same "$(service_limits)" 'max 4 4'
				continue
				;;
			*.Unknown*|*.NoSuchUnit)
				ends 3 ctl restore -e "$FAKE/wanted"
				same "$(service_limits) $(cat "$FAKE/said")" "max 4 max ioasidctl: $unit does not exist: not limited"
				continue
				;;
			stopped)
				rm "$FAKE/units"
				why='systemd does not run'
				;;
			*)	why='systemd cannot tell the cgroup of b@1.service: it does not answer' ;;
			esac
			ends 1 ctl restore -n -e "$FAKE/wanted"
			same "$(grep -v a.service "$FAKE/printed")" ''
			same "$(tail -n 1 "$FAKE/said")" "ioasidctl: restore: no limit is removed, as not all units of $FAKE/wanted can be found: $why"
			ends 1 ctl restore -e "$FAKE/wanted"
			same "$(tail -n 2 "$FAKE/said")" "ioasidctl: $unit cannot be found: $why
ioasidctl: restore: no limit is removed, as not all units of $FAKE/wanted can be found: $why"
			[[ $(service_limits) = '9 '[45]' 5' ]]
			ends 1 ctl restore "$FAKE/wanted"
			same "$(tail -n 1 "$FAKE/said")" "ioasidctl: $unit cannot be found: $why"
		done
	done
}

# A part of the limits would look like all of them.
saves_all_or_nothing() {
	local error
	for error in "${unanswered[@]}"; do
		services saved "$error"
		ends 1 ctl save
		same "$(cat "$FAKE/printed" "$FAKE/said")" 'ioasidctl: systemd cannot tell the cgroup of b@1.service: it does not answer'
	done
	for error in "${unloaded[@]}"; do
		services saved "$error"
		ends 0 ctl save
		same "$(grep service "$FAKE/printed" | xargs)" 'Unit=a.service Cgroup=/system.slice/b@1.service'
	done
}

# A service that runs is not taken for one that will get its limit later.
applies_or_fails() {
	local error
	mkdir -p "$work/etc/ioasids.d"
	printf 'Unit=b@.service\nMax=4\n[Limit]\nUnit=a.service\nMax=4\n' >"$work/etc/ioasids.d/b.conf"
	for error in "${unanswered[@]}"; do
		services applied "$error"
		ends 1 ctl apply
		same "$(cat "$FAKE/printed" "$FAKE/said")" 'ioasidctl: systemd cannot tell the cgroup of b@1.service: it does not answer'
		same "$(service_limits)" '9 4 5'
	done
	for error in "${unloaded[@]}"; do
		services applied "$error"
		ends 0 ctl apply
		same "$(cat "$FAKE/printed" "$FAKE/said")" 'b@.service has no cgroup now: limited when it starts'
	done
	rm -r "$work/etc/ioasids.d"
}

# From where it is, in many parts, and also if it is a socket, which cannot be opened again.
restores_standard_input() {
	local argument
	prepare input
	printf 'no limit\nCgroup=/job\nMax=4\n' >"$FAKE/wanted"
	for argument in '' -; do
		{ read -r _; ends 0 ctl restore -n $argument; } <"$FAKE/wanted"
		same "$(cat "$FAKE/printed")" '/job: 9 becomes 4'
		ends 1 ctl restore $argument <"$FAKE/wanted"
		same "$(cat "$FAKE/said")" "ioasidctl: standard input:1: unknown line 'no limit'; there are [Limit], Unit=, Cgroup= and Max=
ioasidctl: restore: nothing is changed, as standard input has errors"
	done
	python3 - "$plain/ioasidctl" <<-'END'
		import socket, subprocess, sys
		ours, theirs = socket.socketpair()
		with subprocess.Popen([sys.argv[1], 'restore'], stdin=theirs) as restore:
		    ours.sendall(b'Cgroup=/job\nMax=3\n' + b'# more\n' * 10000 + b'[Limit]\nCgroup=/job/part\nMax=2\n')
		    ours.close()
		assert restore.returncode == 0
		END
	same "$(cat "$FAKE"/root/job{,/part}/ioasids.max | xargs)" '3 2'
	ends 1 ctl restore <"$FAKE"
	same "$(head -n 1 "$FAKE/said")" 'ioasidctl: standard input: cannot be read: Is a directory'
}

# One that fails does not keep the others from it; the first one decides on the status.
enables_all() {
	local name
	prepare several
	for name in a b c; do
		ctl set -c /$name/below 1
		ctl disable -c /$name
	done
	[ ! -e "$FAKE/root/a/below/ioasids.max" ]
	ends 3 ctl enable /none /a/below 99999999 /b/below
	same "$(cat "$FAKE/said")" "ioasidctl: there is no cgroup, running unit or process '/none'
ioasidctl: there is no process 99999999"
	[ -e "$FAKE/root/a/below/ioasids.max" ] && [ -e "$FAKE/root/b/below/ioasids.max" ]
	ctl disable -c /a
	rm "$FAKE/root/c/cgroup.subtree_control"
	ends 1 ctl enable /c/below /none /a/below
	same "$(wc -l <"$FAKE/said")" 2
	[ -e "$FAKE/root/a/below/ioasids.max" ]
}

samples() { grep -v '^#' "$@"; }

exports_numbers() {
	prepare export
	ctl set /job max
	ctl set /job/part 0
	printf 'max 13\nalloc_fail 14\n' >"$FAKE/root/job/ioasids.events"
	sed -i 's/\(dying_subsys.*\) 0/\1 2/' "$FAKE/root/job/cgroup.stat"
	ctl export >"$FAKE/text"
	same "$(grep '"/job"' "$FAKE/text" | sed 's/ioasids_\(.*\){.*}/\1/')" "$(printf '%s\n' 'current 7' 'peak 7' 'reserved 2' \
		'sets 1' 'refused_total 13' 'local_refused_total 3' 'failed_total 14' 'local_failed_total 4' 'dying_descendants 2')"
	same "$(grep -E '_(max|current).*"/job/part"' "$FAKE/text" | xargs)" 'ioasids_current{cgroup=/job/part} 7 ioasids_max{cgroup=/job/part} 0'
	# The root has neither limit nor charge, and is the only one with a capacity.
	same "$(grep '"/"' "$FAKE/text")" 'ioasids_dying_descendants{cgroup="/"} 2'
	same "$(grep ^ioasids_capacity "$FAKE/text" | xargs)" "ioasids_capacity 1048575 ioasids_capacity_kernel 1 ioasids_capacity_user 7 \
ioasids_capacity_available 1048567"
	same "$(ctl export /job/part | samples | wc -l)" 10
	same "$(ctl export /job/part | samples | grep -v '{cgroup="/job/part"} [0-9]*$')" ''
	# The samples of a metric are together, below its name, type and explanation.
	same "$(samples "$FAKE/text" | sed 's/[{ ].*//' | uniq | sort | uniq -d)" ''
	same "$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$FAKE/text")" "$(samples "$FAKE/text" | sed 's/[{ ].*//' | uniq)"
	same "$(sed -n 's/^# TYPE [^ ]*_total //p' "$FAKE/text" | sort -u)" counter
	same "$(sed -n '/_total /d; s/^# TYPE [^ ]* //p' "$FAKE/text" | sort -u)" gauge
	same "$("$PROMTOOL" check metrics <"$FAKE/text" 2>&1)" ''
	# A kernel that lacks files lacks their metrics.
	prepare older
	ctl export /job >"$FAKE/text"
	same "$(samples "$FAKE/text" | sed 's/[{ ].*//' | uniq | xargs)" \
		'ioasids_current ioasids_max ioasids_refused_total ioasids_failed_total ioasids_dying_descendants'
	same "$("$PROMTOOL" check metrics <"$FAKE/text" 2>&1)" ''
}

exports_levels() {
	local levels status
	prepare levels
	ctl set -c /job/part/a/b 1
	for levels in 0: 1:/job,/system.slice,/table.slice 2:/job,/job/part,/system.slice,/table.slice \
		3:/job,/job/part,/job/part/a,/system.slice,/table.slice; do
		same "$(ctl export --depth "${levels%:*}" | sed -n 's/^ioasids_current{cgroup="\(.*\)".*/\1/p' | sort | paste -sd,)" "${levels#*:}"
	done
	same "$(ctl export -d 1 /job/part | grep -c ^ioasids_current)" 2
	same "$(ctl export -d 2147483647)" "$(ctl export)"
	for levels in -1 x '' 1x 2147483648 99999999999999999999; do
		status=0
		ctl export --depth "$levels" >"$FAKE/text" || status=$?
		same "$status $(cat "$FAKE/text")" '2 '
	done
}

# Each cgroup has a label of its own, from which its name can be found again.
exports_names() {
	local name
	prepare names
	# These would be like others if only what is unusual was escaped.
	for name in 'esc\033[2J' 'esc\x1b[2J' '134back' $'latin\303' $'caf\303\251' 'u\x2dnit.slice' $'\\' '\"' '\n'; do
		ctl set -c "/job/$name" 1
	done
	ctl export >"$FAKE/text"
	same "$("$PROMTOOL" check metrics <"$FAKE/text" 2>&1)" ''
	same "$(LC_ALL=C ctl export)" "$(cat "$FAKE/text")"
	grep -qF "cgroup=\"/job/caf$(printf '\303\251')\"" "$FAKE/text"
	python3 - "$FAKE/text" "$FAKE/root" <<-'END'
		import os, re, sys
		found = set()
		for line in open(sys.argv[1], encoding='utf-8', newline='\n'):
		    label = re.fullmatch(r'ioasids_current\{cgroup="((?:[^"\\]|\\["\\n])*)"\} [0-9]+\n', line)
		    if label:
		        text = re.sub(r'\\(.)', lambda m: {'n': '\n'}.get(m[1], m[1]), label[1]).encode()
		        found.add(re.sub(rb'\\([0-3][0-7]{2})', lambda m: bytes([int(m[1], 8)]), text))
		root = os.fsencode(sys.argv[2])
		there = {directory[len(root):] for directory, _, _ in os.walk(root)} - {b''}
		assert found == there, (found ^ there)
		END
}

exports_openmetrics() {
	prepare names
	ctl export >"$FAKE/text"
	ctl export --openmetrics >"$FAKE/open"
	same "$(samples "$FAKE/open")" "$(samples "$FAKE/text")"
	same "$(tail -n 1 "$FAKE/open")" '# EOF'
	same "$(grep -c '^# TYPE [a-z_]* counter' "$FAKE/open")" 4
	same "$(grep '^#.*_total' "$FAKE/open")" ''
	# What a server of Prometheus has stored is what was exported. It needs the time here.
	sed -i '/^ioasids/s/$/ 1/' "$FAKE/open"
	"$PROMTOOL" tsdb create-blocks-from openmetrics "$FAKE/open" "$FAKE/stored"
	mkdir "$FAKE/stored/wal"
	"$PROMTOOL" tsdb dump "$FAKE/stored" | grep cgroup= | sort >"$FAKE/dumped"
	samples "$FAKE/text" | sed -nE 's/^([a-z_]*)\{(.*)\} ([0-9]*)$/{__name__="\1", \2} \3 1000/p' | sort | diff - "$FAKE/dumped"
}

exports_to_a_file() {
	local file status
	prepare file
	mkdir "$FAKE/prom"
	file=$FAKE/prom/ioasids.prom
	(umask 027 && ctl export -o "$file")
	same "$(ctl export)" "$(cat "$file")"
	same "$(stat -c %a "$file")" 640
	# A reader that has opened the old file still sees it; the new one is another.
	exec 5<"$file"
	ctl set /job 77
	same "$(ctl export --output "$file")" ''
	same "$(grep -c 'ioasids_max{cgroup="/job"} 9$' <&5)" 1
	exec 5<&-
	same "$(grep -c 'ioasids_max{cgroup="/job"} 77$' "$file")" 1
	same "$(ls -A "$FAKE/prom")" ioasids.prom
	# If it fails the old one stays, and no part of a new one.
	status=0
	(trap '' XFSZ && ulimit -f 0 && ctl export -o "$file" 2>/dev/null) || status=$?
	same "$status $(grep -c 'ioasids_max{cgroup="/job"} 77$' "$file") $(ls -A "$FAKE/prom")" '1 1 ioasids.prom'
	ln -s ioasids.prom "$FAKE/prom/link"
	mkfifo "$FAKE/prom/pipe"
	cd "$FAKE/prom"
	for file in . link pipe none/file ''; do
		status=0
		ctl export -o "$file" 2>"$FAKE/said" || status=$?
		same "$status $(wc -l <"$FAKE/said")" '1 1'
	done
	[ -L link ] && [ -p pipe ]
	same "$(ls -A)" $'ioasids.prom\nlink\npipe'
	# Where there is nothing to export the old one stays, too.
	echo pids >"$FAKE/root/cgroup.controllers"
	status=0
	ctl export -o "$FAKE/prom/ioasids.prom" || status=$?
	same "$status $(grep -c 'ioasids_max{cgroup="/job"} 77$' "$FAKE/prom/ioasids.prom")" '4 1'
}

# The alerts, in time; and that the queries of alerts and dashboard are of metrics that there are.
monitors() {
	prepare monitors
	sed "s,@RULES@,$PWD/../monitoring/ioasids.rules.yml," ioasids.rules.test.yml >"$FAKE/test.yml"
	"$PROMTOOL" check rules ../monitoring/ioasids.rules.yml
	"$PROMTOOL" test rules "$FAKE/test.yml"
	python3 - >"$FAKE/dashboard.yml" <<-'END'
		import json, re
		dashboard = json.load(open('../monitoring/ioasids-dashboard.json'))
		print('groups: [{name: dashboard, rules: [')
		for panel in dashboard['panels']:
		    assert panel['targets'] and panel['datasource']['uid'] == '${datasource}', panel['title']
		    for target in panel['targets']:
		        query = re.sub(r'\$(\w+)', lambda m: {'__rate_interval': '5m'}.get(m[1], '.*'), target['expr'])
		        print('{record: panel, labels: {id: "%s %s"}, expr: %s},' % (panel['id'], target['refId'], json.dumps(query)))
		print(']}]')
		END
	"$PROMTOOL" check rules "$FAKE/dashboard.yml"
	[ "$(grep -c 'record: panel' "$FAKE/dashboard.yml")" -gt 10 ]
	ctl export | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sort >"$FAKE/metrics"
	cat "$FAKE/dashboard.yml" ../monitoring/ioasids.rules.yml | sed -n '/expr/,/labels/p' | grep -o 'ioasids_[a-z_]*' | sort -u >"$FAKE/asked"
	same "$(comm -13 "$FAKE/metrics" "$FAKE/asked")" ''
}

# A key that moves the choice costs little beside the reading of 10,000 cgroups.
draws_only_what_differs() {
	local n none keys
	prepare keys
	ctl set -c /many/0/0 5
	for n in {1..99}; do
		cp -rl "$FAKE/root/many/0/0" "$FAKE/root/many/0/$n"
	done
	for n in {1..99}; do
		cp -rl "$FAKE/root/many/0" "$FAKE/root/many/$n"
	done
	# CPU time, which is the same however busy the machine is.
	none=$(TERM=xterm ./terminal.py 24 80 '' "$plain/ioasidctl" top -d 3600 3>&1 >/dev/null)
	keys=$(TERM=xterm ./terminal.py 24 80 "$(printf 'j j k%.0s ' {1..20})" "$plain/ioasidctl" top -d 3600 3>&1 >/dev/null)
	echo "$none ms, and $keys ms with 60 keys"
	[ "$none" -gt 0 ] && [ "$((keys - none))" -lt "$none" ]
}

top_with() {
	local keys=$1
	shift
	TERM=xterm ./terminal.py 24 80 "$keys" "$@" "$plain/ioasidctl" top -d 3600
}

# A message has nothing that the terminal would obey.
top_is_harmless() {
	local name=$'esc\rforged\u202e'
	prepare harmless
	ctl set -c "/job/$name" 5
	# It can be read, but not written.
	ln -sf /proc/version "$FAKE/root/job/$name/ioasids.max"
	top_with '/forged\r s5\ry\r x' >"$FAKE/screen"
	grep -qF 'cannot write 5 to /sys/fs/cgroup/job/esc\x0dforged\xe2\x80\xae' "$FAKE/screen"
	[ "$(grep -c $'\u202e' "$FAKE/screen")" = 0 ]
}

# chain DIRECTORY LEVELS NAME: so many cgroups, each in the one before.
chain() {
	python3 - "$@" <<-'END'
		import os, sys
		top, levels, name = sys.argv[1:]
		above = os.open(top, os.O_RDONLY)
		for level in range(int(levels)):
		    os.mkdir(name, dir_fd=above)
		    below = os.open(name, os.O_RDONLY, dir_fd=above)
		    for file, text in ('cgroup.procs', ''), ('ioasids.max', 'max\n'), ('ioasids.current', '0\n'), ('ioasids.peak', '0\n'):
		        fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=below)
		        os.write(fd, text.encode())
		        os.close(fd)
		    os.close(above)
		    above = below
		END
}

# Cgroups whose paths are too long for a system call are left out, and this is told once.
leaves_out_what_is_deep() {
	local said name
	name=$(printf 'd%.0s' {1..255})
	prepare deep
	chain "$FAKE/root/job" 20 "$name"
	said="ioasidctl: some cgroups are left out, as their paths are too long: in /job/$(printf 'd%.0s' {1..46})…$(printf 'd%.0s' {1..49})"
	same "$(ctl ls -l -n -o PATH 2>"$FAKE/said" | wc -L)" $((4 + 15 * 256))
	same "$(cat "$FAKE/said")" "$said"
	same "$(ctl ls -J 2>/dev/null | grep -c '"path": "/job/d')" 15
	same "$(ctl top -b -d 0.1 -n 3 2>&1 >/dev/null)" "$said"
	top_with '' 2>&1 | tr '\r' '\n' | grep -a 'left out' >"$FAKE/screen"
	same "$(wc -l <"$FAKE/screen")" 1
	# Among the rows of the table, as is every message
	grep -qP '\e\[24(;1H|d)some cgroups are left out' "$FAKE/screen"
}

# The time that it takes to cut a text grows with its length, not with the square of that.
cuts_long_paths() {
	local whole cut
	prepare long
	chain "$FAKE/root/job" 15 "$(printf '\1%.0s' {1..250})"
	whole=$(cpu_of 60000 "$plain/ioasidctl" ls -l -o PATH)
	cut=$(cpu_of 80 "$plain/ioasidctl" ls -l -o PATH)
	echo "$whole ms, and $cut ms to cut them"
	[ "$cut" -lt $((5 * whole)) ]
}

# Yellow from 80 percent on and red if it is full, but not with NO_COLOR; and 1 ID.
looks_right() {
	prepare looks
	printf 'total 1048575\nkernel 1\nuser 0\navailable 1048574\n' >"$FAKE/root/ioasids.capacity"
	ctl set /job 10
	top_with '' >"$FAKE/screen"
	grep -q ': 1 ID  by CURRENT' "$FAKE/screen"
	grep -q $'\e\[?1049h' "$FAKE/screen"
	[ "$(grep -c $'\e\[3[13]m' "$FAKE/screen")" = 0 ]
	echo 8 >"$FAKE/root/job/ioasids.current"
	echo 9 >"$FAKE/root/job/part/ioasids.current"
	top_with '' >"$FAKE/screen"
	grep -q $'\e\[33m' "$FAKE/screen"
	grep -q $'\e\[31m' "$FAKE/screen"
	top_with '' env NO_COLOR=1 >"$FAKE/screen"
	[ "$(grep -c $'\e\[3[13]m' "$FAKE/screen")" = 0 ]
}

# The chosen cgroup is named above the list of its holders.
chosen_after() { top_with "$1 \\r x" | grep -aoP 'hold IDs in \K[^;]*' | tail -n 1; }

moves_by_pages() {
	local n
	prepare pages
	for n in {100..150}; do
		ctl set -c "/job/$n" 1
	done
	same "$(chosen_after '')" /
	same "$(chosen_after '\x1b[6~')" /job/117
	same "$(chosen_after '\x1b[6~ \x1b[6~ \x1b[5~')" /job/117
	same "$(chosen_after '\x1bOF')" /table.slice
	same "$(chosen_after '\x1bOF \x1bOH')" /
}

# Each command has the same help however it is asked for, within 80 columns.
helps() {
	local command
	[ "$(ctl --help | wc -L)" -le 80 ]
	same "$(ctl help)" "$(ctl --help)"
	for command in $(commands); do
		same "$(ctl help "$command" | head -n 1 | cut -d ' ' -f 1-3)" "Usage: ioasidctl $command"
		same "$(ctl "$command" --help)" "$(ctl help "$command")"
		same "$(ctl "$command" -h)" "$(ctl help "$command")"
		[ "$(ctl help "$command" | wc -L)" -le 80 ]
		grep -q "^\.B $command\$" ../ioasidctl.8
	done
}

# Columns are left out before names get shorter than 20, and different names look different.
cuts_names() {
	local long=a-name-of-a-service-that-has-many-letters width seen
	prepare cut
	ctl set -c "/job/$long-1-in-the-middle-of-many-more.service" 1
	ctl set -c "/job/$long-2-in-the-middle-of-many-more.service" 2
	for width in 100 80 60 40 30; do
		seen=$(./terminal.py 24 $width '' "$plain/ioasidctl" ls -o CGROUP,MAX,CURRENT,USE,PEAK,ALLOCATED,RESERVED,FAILED,SETS /job | tr -d '\r')
		[ "$(wc -L <<<"$seen")" -le $width ]
		same "$(grep -o 'a-name-[^ ]*' <<<"$seen" | sort -u | wc -l)" 2
		same "$(grep -o 'a-name-[^ ]*' <<<"$seen" | grep -v '^.\{18\}')" ''
	done
}

# What it prints is what is installed, as far as there is no device whose owner it could take.
describes_the_device() {
	local cdi=$work/etc/cdi status
	prepare cdi
	sed "s,@LIBEXECDIR@,$work/usr/libexec/ioasids," ../cdi.json | json >"$FAKE/installed"
	ctl cdi | json | diff "$FAKE/installed" -
	same "$(ctl cdi -m 5 -t | json | sed -n '/"args"/,/]/p' | xargs)" 'args: [ oci-hook, --max, 5, --try ],'
	rm -rf "$cdi"
	ctl cdi --write
	json <"$cdi/ioasids.json" | diff "$FAKE/installed" -
	ctl cdi --write --max max
	ctl cdi --max max | diff - "$cdi/ioasids.json"
	same "$(ls -A "$cdi") $(stat -c %a "$cdi/ioasids.json")" 'ioasids.json 644'
	for text in -1 '' many; do
		status=0
		ctl cdi --write --max "$text" || status=$?
		same "$status" 2
	done
	ctl cdi --max max | diff - "$cdi/ioasids.json"
	# The old file stays if no new one can be put in its place.
	rm "$cdi/ioasids.json"
	mkdir "$cdi/ioasids.json"
	status=0
	ctl cdi --write || status=$?
	same "$status $(ls -A "$cdi")" '1 ioasids.json'
	rm -r "$cdi"
	: >"$cdi"
	status=0
	ctl cdi --write || status=$?
	same "$status" 1
	rm "$cdi"
}

json() { python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin), indent=1, sort_keys=True))'; }

# installed PROGRAM...: only these engines.
installed() {
	prepare engines
	for program in "${programs[@]}"; do
		[[ " $* " = *" ${program##*/} "* ]] || rm "$FAKE/$program"
	done
}

# file PATH TEXT
file() {
	mkdir -p "$FAKE/$(dirname "$1")"
	echo "$2" >"$FAKE/$1"
}

# says VERDICT FACT: check prints such a line.
says() {
	local lines
	lines=$(ctl check) || true
	grep -qF "$1: $2" <<<"$lines" || { echo "no line '$1: $2' in:"; echo "$lines"; return 1; }
}

checks_docker() {
	local version feature verdict
	installed dockerd
	says ok 'container engines that are installed: Docker; that are not: podman, containerd, CRI-O, LXC, incus, systemd-nspawn'
	while read -r version feature verdict; do
		rm -rf "$FAKE/version" "$FAKE/etc/docker"
		[ "$version" = - ] || file version/dockerd "Docker version $version, build 1"
		[ "$feature" = - ] || file etc/docker/daemon.json '{ "features": { "cdi": '"$feature"' } }'
		if [ "$verdict" = ok ]; then
			says ok 'Docker: --device ioasids/ioasid=all --annotation ioasids.max=MAX limits a container'
		else
			says WRONG "Docker does not know --device ioasids/ioasid=all, so no option limits one container: $verdict"
		fi
	done <<-END
		20.10.24+dfsg1	-	it is older than 25
		24.0.9		true	it is older than 25
		26.1.5+dfsg1	true	ok
		26.1.5+dfsg1	-	"features" in /etc/docker/daemon.json should have "cdi": true
		26.1.5+dfsg1	false	"features" in /etc/docker/daemon.json should have "cdi": true
		28.1.1		-	"features" in /etc/docker/daemon.json should have "cdi": true
		28.2.0		-	ok
		28.5.2		false	"features" in /etc/docker/daemon.json should have "cdi": true
		30.0.1		-	ok
		-		-	"features" in /etc/docker/daemon.json should have "cdi": true
		-		true	ok
	END
	says ok 'Docker: --cgroup-parent=NAME.slice'
	for text in '{' '[]' '{ "features": [] }' '{ "exec-opts": "x" }' '{ "exec-opts": [ null ] }' '{ "exec-opts": [] }' ''; do
		file etc/docker/daemon.json "$text"
		says ok 'Docker: --cgroup-parent=NAME.slice'
	done
	file etc/docker/daemon.json '{ "exec-opts": [ "a=b", "native.cgroupdriver=cgroupfs" ] }'
	says WRONG 'Docker: --cgroup-parent=NAME.slice does not put a container into the slice of systemd: "exec-opts" in /etc/docker/daemon.json should not have "native.cgroupdriver=cgroupfs"'
}

checks_containerd() {
	local version cri='plugins."io.containerd.grpc.v1.cri"' text
	installed containerd
	ctl check >"$FAKE/lines" || true
	same "$(grep -c 'pod' "$FAKE/lines")" 1
	installed containerd kubelet
	says WRONG 'containerd gives no pod the device ioasids/ioasid=all: enable_cdi of the plugin cri in /etc/containerd/config.toml should be true'
	file version/containerd 'containerd github.com/containerd/containerd/v2 2.1.9 abc'
	says ok 'containerd: pods can have the device ioasids/ioasid=all'
	file version/containerd 'containerd github.com/containerd/containerd 1.7.24~ds1 abc'
	says WRONG 'containerd gives no pod the device'
	says WRONG 'containerd does not pass on the annotation ioasids.max of a pod, which does nothing: pod_annotations of the runtime in /etc/containerd/config.toml should have "ioasids.max"'
	file etc/containerd/config.toml "version = 2
[$cri]
  enable_cdi = true # needed
  [$cri.containerd.runtimes.runc]
    pod_annotations = ['ioasids.max']"
	says ok 'containerd: pods can have the device ioasids/ioasid=all'
	says ok 'containerd: the annotation ioasids.max of a pod limits each container that has the device'
	# It is the default runtime that counts, wherever its name stands.
	echo "[$cri.containerd]
default_runtime_name = 'crun'" >>"$FAKE/etc/containerd/config.toml"
	says WRONG 'containerd does not pass on the annotation ioasids.max of a pod'
	for text in '["other", "ioasids.*"]' '["*"]'; do
		file etc/containerd/config.toml "version = 3
[plugins.'io.containerd.cri.v1.runtime']
enable_cdi = false
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.crun]
pod_annotations = $text
[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'crun'"
		says WRONG 'containerd gives no pod the device'
		says ok 'containerd: the annotation ioasids.max of a pod'
	done
}

checks_other_engines() {
	local hook=/usr/share/containers/oci/hooks.d/ioasids.json cdi=$work/etc/cdi
	installed podman crio
	says WRONG 'podman does not find the hook'
	says WRONG "CRI-O does not find the hook, so the annotation ioasids.max does nothing: hooks_dir of [crio.runtime] in /etc/crio/crio.conf should have \"${hook%/*}\""
	file $hook ''
	says ok 'podman: --annotation=ioasids.max=MAX limits a container'
	says ok 'CRI-O finds the hook for the annotation ioasids.max'
	file etc/crio/crio.conf $'[crio.runtime]\nhooks_dir = [\n"/other"\n]'
	says WRONG 'CRI-O does not find the hook'
	# The device
	rm -rf "$cdi"
	says WRONG "no file describes the device ioasids/ioasid=all: 'ioasidctl cdi --write' writes one"
	mkdir -p "$cdi"
	for text in '' '{' '{}' '{ "devices": [] }' '{ "devices": [ { "containerEdits": { "hooks": [ 5 ] } } ] }' \
		'{ "devices": [ { "containerEdits": { "hooks": [ { "path": "/nowhere" } ] } } ] }'; do
		echo "$text" >"$cdi/ioasids.json"
		says WRONG "$cdi/ioasids.json has no hook, or one that does not exist: 'ioasidctl cdi --write' writes the file anew"
	done
	ctl cdi --write
	says WRONG "$cdi/ioasids.json has no hook"
	install -D /dev/null "$work/usr/libexec/ioasids/oci-hook"
	says ok "$cdi/ioasids.json describes the device ioasids/ioasid=all"
	file run/cdi/ioasids.json '{}'
	says WRONG '/run/cdi/ioasids.json has no hook'
	rm -r "$cdi" "$work/usr/libexec"
	# No engine needs it.
	installed lxc-start incus systemd-nspawn
	ctl check >"$FAKE/lines" || true
	same "$(grep -c 'ioasids/ioasid' "$FAKE/lines")" 0
	says ok 'LXC: lxc.cgroup2.ioasids.max = MAX limits a container'
	says ok 'incus: raw.lxc=lxc.cgroup2.ioasids.max=MAX limits a container'
	says ok 'systemd-nspawn: --slice=NAME.slice limits containers together, with Unit=NAME.slice in ioasids.d'
	installed
	says ok 'container engines that are installed: none; that are not: podman, '
}

# gives STATUS MAX STATE OPTION...: the hook ends with STATUS, and the limit is MAX then.
gives() {
	local status=0
	echo 9 >"$FAKE/root/box/c1/ioasids.max"
	"$checked/oci-hook" "${@:4}" <<<"$3" || status=$?
	same "$status $(cat "$FAKE/root/box/c1/ioasids.max")" "$1 $2"
}

# The limit is that of the annotation, or else of --max.
hook_limits() {
	local annotated='{ "pid": 1, "annotations": { "ioasids.max": "5" } }'
	echo '0::/box/c1' >"$FAKE/cgroup.1"
	gives 0 5 "$annotated"
	gives 0 5 "$annotated" --max 3 --try
	gives 0 9 '{ "pid": 1 }'
	gives 0 3 '{ "pid": 1 }' --max 3
	gives 0 max '{ "pid": 1, "annotations": { "ioasids.max": "max" } }' --max 3
	gives 2 9 "$annotated" --max many
	gives 2 9 "$annotated" --none
	echo >"$FAKE/root/cgroup.controllers"
	gives 4 9 "$annotated"
	gives 0 9 "$annotated" --try
	gives 0 9 '{ "pid": 1 }' -t -m 3
	gives 1 9 '{ "pid": 1, "annotations": { "ioasids.max": "x" } }' --try
	echo ioasids >"$FAKE/root/cgroup.controllers"
	# The runtime is in the same cgroup, so the container has none of its own.
	cp "$FAKE/cgroup.1" "$FAKE/cgroup"
	gives 1 9 "$annotated" --try
	gives 1 9 '{ "pid": 1 }' --max 3
	echo '0::/job/part' >"$FAKE/cgroup"
	rm "$FAKE/cgroup.1"
}

# The other programs, with the sanitizers.
programs_are_clean() {
	local hook="$checked/oci-hook" text status
	prepare programs
	mkdir "$FAKE/root/box"
	cp -r "$FAKE/root/job/part" "$FAKE/root/box/c1"
	for text in '{ "pid": 1, "annotations": { "ioasids.max": "x" } }' '{ "pid": 1, "annotations": { "ioasids.max": null } }' \
		'{ "pid": 1, "annotations": { "ioasids.max": "5" } }' '{ "pid": 1 }' '{' ''; do
		status=0
		"$hook" <<<"$text" || status=$?
		[ "$status" -le 4 ]
	done
	hook_limits
	mkdir -p "$work/etc/ioasids.d" "$FAKE/units"
	printf 'Unit=x\nMax=1\n[Limit]\nUnit=a.slice\nMax=2\n[Limit]\nUnit=b.service\nMax=max\n' >"$work/etc/ioasids.d/x.conf"
	status=0
	"$checked/generator" "$FAKE/units" "$FAKE/units" "$FAKE/units" || status=$?
	same "$status" 0
	same "$(grep -h ExecStart "$FAKE"/units/*/*.conf | sed 's,.*ctl,,')" ' set --here --create --try max'
	grep -q "x.conf:1: Unit is 'x'" "$FAKE/kmsg"
	rm -r "$work/etc/ioasids.d"
}

# shellcheck source=tools/ioasids/test/table.sh
. ./table.sh
plain=$O/plain checked=$O/checked
rm -f "$O/failed"
build plain && build checked -fsanitize=address,undefined -fno-sanitize-recover=undefined || exit
elsewhere plain && elsewhere checked -fsanitize=address,undefined -fno-sanitize-recover=undefined || exit
kernel "$work/kernel"
tool=("$plain/ioasidctl")
variants >"$work/variants"

report save saves_and_restores
report names.restored restores_names
report trace tells_of_events
report who lists_holders
report who.root lists_all_in_the_root
report who.many lists_many
report who.deep lists_deep
report record keeps_a_record
report why tells_why "$plain.elsewhere"
report why.sanitizers tells_why "$checked.elsewhere"
report restore.errors restores_all_or_nothing
report restore.unknown removes_only_what_is_known
report restore.input restores_standard_input
report save.unknown saves_all_or_nothing
report apply.unknown applies_or_fails
report enable.several enables_all
report export.numbers exports_numbers
report export.depth exports_levels
report export.names exports_names
report export.openmetrics exports_openmetrics
report export.file exports_to_a_file
report monitoring monitors
report top.keys draws_only_what_differs
report top.looks looks_right
report top.harmless top_is_harmless
report ls.deep leaves_out_what_is_deep
report text.long cuts_long_paths
report top.pages moves_by_pages
report help helps
report names.cut cuts_names
report cdi describes_the_device
report engines.docker checks_docker
report engines.containerd checks_containerd
report engines.others checks_other_engines
report programs programs_are_clean

# A leak or an error of memory ends it with a status that is none of its own.
export ASAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99
tool=("$checked/ioasidctl")
rows sanitizers terminal_less closed full names older namespace narrow permission gone

# Without options, as JSON, and where errors end a command early.
tool=(valgrind -q --leak-check=full --error-exitcode=99 --errors-for-leak-kinds=definite,possible
	--show-leak-kinds=definite,possible "$plain/ioasidctl")
mv "$work/variants" "$work/all"
{ without_options <"$work/all"; grep -e --json "$work/all"; } >"$work/variants"
rows valgrind full names older permission gone
[ ! -e "$O/failed" ]
