# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: other
#
# ioasidctl: each subcommand, with right and with wrong arguments.

# A tree: /job has the limit 10 and holds 4 IDs, /job/part has the limit 4 and holds 4.
plant() {
	ioasidctl set -c /job 10
	ioasidctl set -c /job/part 4
	(echo $BASHPID >$root/job/part/cgroup.procs && exec sh -c "$inside" 4) &
	echo $! >/run/planted
	limited job/part 4
}

shows_the_tree() {
	is 'CGROUP MAX CURRENT USE PEAK RESERVED REFUSED /job 10 4 ####...... 4 0 1 ??part 4 4 ########## 4 0 1' ioasidctl ls /job
	is '/job 10 4 /job/part 4 4' ioasidctl ls -n -o PATH,MAX,CURRENT /job
	is '*/ 1048575 4 *' ioasidctl ls -n -o PATH,MAX,CURRENT
	is '{ "cgroups": * { "cgroup": "/job", "max": 10, "current": 4, "path": "/job", "children": * { "cgroup": "part", "max": 4, "current": 4, "path": "/job/part" } * } * }' \
		ioasidctl ls -J -o CGROUP,MAX,CURRENT /job
	ioasidctl set -c /job/all max
	is '/job 10 /job/part 4 /job/all max' ioasidctl ls -n -o PATH,MAX -s CURRENT /job
	is '/job 10 /job/all max /job/part 4' ioasidctl ls -n -o PATH,MAX -s -CURRENT /job
	is '{ "cgroups": * { "max": null, "path": "/job/all" } * }' ioasidctl ls -J -o MAX /job/all
	rmdir $root/job/all
}

# Names that a shell, a terminal or JSON would change, or that are hidden
shows_names() {
	local unit='a\x2db.slice' escape=$'esc\e[2J' latin=$'lat\xe9n' name holder
	for name in .hidden "$unit" "$escape" "$latin"; do
		ioasidctl set -c "/job/$name" 2
	done
	is '/job 10 /job/.hidden 2 /job/a\\x2db.slice 2 /job/esc\\x1b\[2J 2 /job/lat\\xe9n 2 /job/part 4' \
		ioasidctl ls -n -o PATH,MAX /job
	is '*?.hidden 2 *?a\\x2db.slice 2 *?esc\\x1b\[2J 2 *' ioasidctl ls -n -o CGROUP,MAX /job
	is '/job/a\\x2db.slice 2' ioasidctl ls -n -o PATH,MAX "$(ioasidctl ls -n -o PATH /job | grep x2d)"
	is '*"path": "/job/a\\\\x2db.slice"*"path": "/job/esc\\u001b\[2J"*"path": "/job/lat'$'\ufffd''n"*' ioasidctl ls -J -o PATH /job
	ioasidctl ls -J /job | iconv -f UTF-8 -t UTF-8 >/dev/null
	LC_ALL=C ioasidctl ls -J /job | iconv -f UTF-8 -t UTF-8 >/dev/null
	(echo $BASHPID >"$root/job/$escape/cgroup.procs" && exec sh -c "$inside" 2) &
	holder=$!
	eventually is 2 cat "$root/job/$escape/ioasids.current"
	is '*/job/esc\\x1b\[2J max 1 alloc_fail 1*' ioasidctl events /job
	is "$holder * /job/esc\\\\x1b\\[2J $holder:?*" ioasidctl who -n "/job/$escape"
	is '*/job/esc\\x1b\[2J 2 2 *Room for 0 more; limited by /job/esc\\x1b\[2J.*' ioasidctl show "$holder"
	kill $holder
	wait $holder || true
	mkdir -p "$root/$escape" "$root/job/$escape.scope/container"
	fails 3 '*can be /esc\\x1b\[2J or /job/esc\\x1b\[2J: say which' ioasidctl set "$escape" 5
	ioasidctl enable "/job/$escape.scope"
	is '*WRONG: the container in /job/esc\\x1b\[2J.scope does not have the controller: *' ioasidctl check
	rmdir "$root/$escape" "$root/job/$escape.scope/container" "$root/job/$escape.scope"
	for name in .hidden "$unit" "$escape" "$latin"; do
		eventually rmdir "$root/job/$name"
	done
}

shows_one() {
	is '*/job/part 4 4 4 4 0 1 1 /job 10 4 *Room for 0 more; limited by /job/part.*' ioasidctl show /job/part
	is '*Room for 6 more; limited by /job.' ioasidctl show /job
	is '*/job/part 4 4*' ioasidctl show "$(cat /run/planted)"
	mkdir $root/job/part/off
	is '*The controller is off in /job/part/off: /job/part is charged.*' ioasidctl show /job/part/off
	rmdir $root/job/part/off
	is '*/lab.slice/lab.service*' ioasidctl show lab.service
}

shows_who() {
	pid=$(cat /run/planted)
	is "$pid ioasid-hold 4 - * /job/part $pid:?" ioasidctl who -n /job
	is '' ioasidctl who -n /system.slice
	is "*\"command\": \"ioasid-hold\", \"allocated\": 4*" ioasidctl who -J
	shows_a_holder_called '' '- '
	shows_a_holder_called 'tmux: server' 'tmux: server '
	shows_a_holder_called $'a\r/s\t\\' 'a\\x0d/s\\x09\\ '
}

# The name of a process can be any text.
shows_a_holder_called() {
	local holder
	(
		echo $BASHPID >$root/job/part/cgroup.procs
		exec 9<>/dev/ioasid
		printf '%s\0' "$1" >/proc/$BASHPID/comm
		sleep infinity 9>&- &
		trap 'kill $!' TERM
		wait
	) &
	holder=$!
	eventually is "*$holder ${2}0 - * /job/part $holder:9*" ioasidctl who -n /job
	kill $holder
	wait $holder || true
}

# More levels than a process can have open files by default
shows_any_depth() {
	local path
	path=/deep$(printf '/d%.0s' {1..300})
	ioasidctl set -c "$path" 1
	is 301 sh -c "ulimit -Sn 64; ioasidctl ls -n -o MAX /deep | wc -l"
	fails 1 '*cannot read *: Too many open files' sh -c 'ulimit -n 64; ioasidctl ls /deep'
	(cd $root && rmdir -p ".$path" 2>/dev/null) || true
	[ ! -e $root/deep ]
}

sets() {
	ioasidctl set /job 0
	is 0 cat $root/job/ioasids.max
	ioasidctl set $root/job 9223372036854775807
	is 9223372036854775807 cat $root/job/ioasids.max
	ioasidctl set /job max
	is max cat $root/job/ioasids.max
	ioasidctl set job 10
	is 10 cat $root/job/ioasids.max
}

# All spellings of a path mean the same cgroup; only its ancestors are switched on.
takes_any_path() {
	ioasidctl set -c job/by/path/ 3
	is 3 cat $root/job/by/path/ioasids.max
	is '' cat $root/job/by/path/cgroup.subtree_control
	ioasidctl set -c $root//job/./by/path 2
	is 2 cat $root/job/by/path/ioasids.max
	ioasidctl set -c $root/job/by/other 4
	is 4 cat $root/job/by/other/ioasids.max
	is '*/job/by/path 2 *' ioasidctl show job/by/path//
	rmdir $root/job/by/path $root/job/by/other $root/job/by
	fails 3 "*'/../x'*" ioasidctl set -c /../x 3
	fails 3 "*'job/../..'" ioasidctl show job/../..
	mkdir $root/job/a..b
	is '*/job/a..b *' ioasidctl show /job/a..b
	rmdir $root/job/a..b
}

# in_cgroup CGROUP COMMAND...: runs COMMAND in the cgroup.
in_cgroup() {
	(echo $BASHPID >"$root/$1/cgroup.procs" && shift && exec "$@")
}

limits_where_it_is() {
	mkdir -p $root/here/unit/.control
	in_cgroup here/unit ioasidctl set --here --create 3
	is 3 cat $root/here/unit/ioasids.max
	is '' cat $root/here/unit/cgroup.subtree_control
	# systemd starts ExecStartPre= there if the main process is in another cgroup.
	in_cgroup here/unit/.control ioasidctl set --here 4
	is 4 cat $root/here/unit/ioasids.max
	ioasidctl disable /here/unit
	in_cgroup here/unit ioasidctl enable --here
	is max cat $root/here/unit/ioasids.max
	fails 2 "*'/job' is one argument too many" ioasidctl enable --here /job
	fails 2 "*'5' is one argument too many" ioasidctl set --here /job 5
	rmdir $root/here/unit/.control $root/here/unit $root/here
}

# The owner of a delegated subtree can choose any names.
is_not_misled_by_names() {
	mkdir $root/job/twin $root/twin $root/lab.service $root/job/none.service
	fails 3 "*'twin' can be /twin or /job/twin: say which" ioasidctl set twin 5
	is '*/lab.slice/lab.service*' ioasidctl show lab.service
	fails 3 "*no cgroup, running unit or process 'none.service'" ioasidctl set none.service 5
	fails 3 "*no cgroup, running unit or process 'user@.service'" ioasidctl set user@.service 5
	rmdir $root/job/twin $root/twin $root/lab.service $root/job/none.service
}

# In a cgroup namespace the root has a limit, and no ioasids.capacity.
works_in_a_namespace() {
	mkdir -p $root/job/ns/me
	ioasidctl set /job/ns 7
	in_cgroup job/ns unshare --cgroup --mount bash -eu <<-'END'
		. ./lib.sh
		umount $root
		mount -t cgroup2 none $root
		echo $$ >$root/me/cgroup.procs
		ioasidctl enable --children --try /
		ioasidctl set --create /new/er 3
		is 3 cat $root/new/er/ioasids.max
		ioasidctl set --create lab.slice 2
		is 2 cat $root/lab.slice/ioasids.max
		is '/ 7 0 /lab.slice 2 0 /me max 0 /new max 0 /new/er 3 0' ioasidctl ls -n -o PATH,MAX,CURRENT
		is '*/ 7 0 * Room for 7 more; limited by /.' ioasidctl show /
		fails 1 "*cannot write 5 to $root/ioasids.max: Operation not permitted" ioasidctl set / 5
		# Ancestors of the namespace's root cannot be reached.
		for command in 'show 1' 'set --create 1 7' 'enable 1' 'disable 1'; do
			fails 3 '*process 1 is outside of this cgroup namespace, in /../*' ioasidctl $command
		done
		fails 1 '*cannot be off in the root*' ioasidctl disable /
		rmdir $root/new/er $root/new $root/lab.slice
	END
	ioasidctl set /job/ns max
	ioasidctl set /job max
	in_cgroup job/ns/me unshare --cgroup --mount bash -eu <<-'END'
		. ./lib.sh
		umount $root
		mount -t cgroup2 none $root
		is '*/ max 0 * No limit here*' ioasidctl show /
	END
	ioasidctl set /job 10
	rmdir $root/job/ns/me $root/job/ns
	# A namespace without the controller
	mkdir -p $root/bare/ns
	fails 4 'MISSING: the controller ioasids: this cgroup namespace does not have it*' \
		in_cgroup bare/ns unshare --cgroup --mount sh -c "umount $root && mount -t cgroup2 none $root && exec ioasidctl check"
	rmdir $root/bare/ns $root/bare
}

switches_on_and_off() {
	mkdir -p $root/deep/er/est
	ioasidctl enable /deep/er/est
	is max cat $root/deep/er/est/ioasids.max
	is '' cat $root/deep/er/est/cgroup.subtree_control
	fails 1 '*a child of /deep has it*switch it off there first' ioasidctl disable /deep/er
	ioasidctl disable /deep/er/est
	[ ! -e $root/deep/er/est/ioasids.max ]
	ioasidctl disable -c /deep
	[ ! -e $root/deep/er/ioasids.max ]
	rmdir $root/deep/er/est $root/deep/er $root/deep
	# A leaf that has processes is not changed.
	mkdir $root/job/part/below
	fails 1 '*/job/part has processes of its own*move them*' ioasidctl enable /job/part/below
	rmdir $root/job/part/below
}

# follow CGROUP: starts $follower, which writes later events to /run/events.
follow() {
	ioasidctl events -f "$1" >/run/events &
	follower=$!
	trap 'kill -KILL $follower 2>/dev/null || true' EXIT
	eventually watches $follower
}

# watches PID: its watches are set up.
watches() { grep -q '^inotify wd' /proc/$1/fdinfo/*; }

# told PATTERN: prints how many refusals and failures were reported for matching cgroups.
# Both are counted separately, so that one request may be reported in two lines.
told() {
	sed -n "s,^..:..:.. $1 max +\([0-9]*\) alloc_fail +,\1 ,p" /run/events |
		awk '{ refusals += $1; failures += $2 } END { print refusals + 0, failures + 0 }'
}

tells_of_events() {
	is '/job/part max 1 alloc_fail 1' ioasidctl events /job
	follow /job
	(echo $BASHPID >$root/job/part/cgroup.procs && ! ioasid-hold --alloc=1)
	eventually is '1 1' told /job/part
	# Cgroups that exist only between two scans, or during one
	for _ in {1..20}; do
		refuse_in short 1
		rmdir $root/job/short
	done
	eventually is '20 20' told '/job/[s.].*'
	sleep 2
	is '20 20' told '/job/[s.].*'
	is '1 1' told /job/part
}

refuse_in() {
	mkdir -p $root/job/$1
	echo 0 >$root/job/$1/ioasids.max
	for _ in $(seq $2); do
		(echo $BASHPID >$root/job/$1/cgroup.procs && ! ioasid-hold --alloc=1)
	done
}

# If a counter has decreased, it is a new cgroup with the same path.
tells_of_a_restart() {
	follow /job
	refuse_in again 3
	eventually is '3 3' told /job/again
	kill -STOP $follower
	rmdir $root/job/again
	refuse_in again 1
	kill -CONT $follower
	eventually is '4 4' told /job/again
	kill -STOP $follower
	rmdir $root/job/again
	refuse_in again 1
	kill -CONT $follower
	eventually is '5 5' told /job/again
	sleep 2
	is '' grep gone /run/events
	rmdir $root/job/again
}

screen() { tmux capture-pane -p -t top; }

# in_terminal COMMAND: runs COMMAND in a terminal; screen prints its content.
in_terminal() {
	tmux kill-server || true
	eventually not tmux list-sessions
	tmux new-session -d -s top -x 80 -y 24 "$1"
}

watches_in_terminal() { watches "$(pidof ioasidctl)"; }

tells_that_it_is_gone() {
	for command in 'events -f' 'top -d 1'; do
		ioasidctl set -c /job/watched 1
		in_terminal "ioasidctl $command /job/watched; echo status \$?; cat"
		case $command in
		top*) eventually is '*/job/watched*' screen ;;
		*) eventually watches_in_terminal ;;
		esac
		rmdir $root/job/watched
		eventually is '*ioasidctl: the cgroup /job/watched is gone status 3*' screen
	done
	tmux kill-server
}

runs() {
	is 'refused' ioasidctl run -m 2 -- sh -c 'ioasid-hold -a 3 >/dev/null 2>&1 || echo refused'
	ioasidctl run -m 2 -S jobs.slice -- sh -c "$inside" 2 &
	eventually is '*.scope 2 2' sh -c 'ioasidctl ls -n -o PATH,MAX,CURRENT jobs.slice | tail -n 1'
	systemctl stop jobs.slice
	wait
	status=0
	ioasidctl run -m 2 -- sh -c 'exit 42' || status=$?
	[ $status = 42 ]
	# --root is passed on to the command in the scope.
	mkdir -p /run/other
	mount -t cgroup2 none /run/other
	is 'refused' unshare --mount sh -c "mount -t tmpfs none $root &&
		ioasidctl --root /run/other run -m 2 -- sh -c 'ioasid-hold -a 3 >/dev/null 2>&1 || echo refused'"
	umount /run/other
}

refuses_what_is_wrong() {
	fails 2 '*a command is missing*' ioasidctl
	fails 2 "*no command 'list'*" ioasidctl list
	fails 2 '*unrecognized option*' ioasidctl --nonsense
	fails 2 'ioasidctl: set: unrecognized option*' ioasidctl set --nonsense
	for command in ls 'ls -J' 'show /job' who events check --help; do
		fails 1 'ioasidctl: cannot write to standard output' sh -c "ioasidctl $command >/dev/full"
	done
	fails 1 'ioasid-hold: cannot write to standard output' sh -c 'ioasid-hold --alloc=1 >/dev/full'
	fails 2 'ioasidctl: show: unrecognized option*' ioasidctl show --sort MAX /job
	fails 1 '*/nowhere: No such file*' ioasidctl --root /nowhere ls
	for command in ls 'who /' check 'set -c a.slice 5' 'enable /' apply; do
		fails 1 '*/tmp is not a cgroup v2*' ioasidctl --root /tmp $command
	done
	# Units with a limit start even without the controller.
	for command in 'set -ct a.slice 5' 'set --here --try 5' 'enable -t /' 'apply -t a.slice'; do
		fails 0 '*/tmp/cgroup.controllers does not have ioasids: nothing is limited' ioasidctl --root /tmp $command
	done
	for command in ls top show who events; do
		fails 3 "*no cgroup, running unit or process '/none'" ioasidctl $command /none
		fails 3 "*no cgroup, running unit or process 'none.slice'" ioasidctl $command none.slice
		fails 2 "ioasidctl: $command: invalid option*" ioasidctl $command -x
		fails 2 "*'b' is one argument too many*" ioasidctl $command / b
	done
	fails 3 '*no process 99999999' ioasidctl show 99999999
	fails 3 "*'/../proc'" ioasidctl show /../proc
	for name in '' .slice -a.slice a-.slice a--b.slice; do
		fails 3 "*'$name'" ioasidctl disable -c -- "$name"
		fails 3 "*'$name' does not exist*" ioasidctl set -c -- "$name" 5
	done
	fails 3 "*no cgroup, running unit or process '/none'" ioasidctl set /none 1
	fails 3 "*no cgroup, running unit or process '/none'" ioasidctl enable /none
	fails 3 "*no cgroup, running unit or process '/none'" ioasidctl disable /none
	for value in -1 +1 0x10 '' ten 1.5 '1 2' 9223372036854775808 99999999999999999999; do
		fails 2 "*'$value' is no limit: it should be 'max' or a number from 0 to 9223372036854775807" ioasidctl set /job "$value"
		fails 2 "*'$value' is no limit*" ioasidctl run -m "$value" -- true
	done
	is 10 cat $root/job/ioasids.max
	fails 2 '*argument is missing*' ioasidctl set /job
	fails 2 '*argument is missing*' ioasidctl enable
	fails 2 '*one argument too many*' ioasidctl set /job 1 2
	fails 2 '*--max is missing' ioasidctl run -- true
	fails 2 '*argument is missing*' ioasidctl run -m 1
	fails 127 '*nonsense: No such file*' ioasidctl run -m 1 -- nonsense
	fails 1 '*the root has no limit*' ioasidctl set / 5
	fails 1 '*cannot be off in the root*' ioasidctl disable /
	fails 2 "*no column 'X'*" ioasidctl ls -o MAX,X
	fails 2 "*no column ''*" ioasidctl ls -o ''
	fails 2 "*no column 'SIZE'*" ioasidctl ls -s SIZE
	fails 2 "*delay is '0'*" ioasidctl top -d 0
	fails 1 '*no terminal*' ioasidctl top
	mkdir $root/job/part/off
	fails 4 '*off in /job/part/off*enable*' ioasidctl ls /job/part/off
	fails 4 '*off in /job/part/off*enable*' ioasidctl set /job/part/off 5
	rmdir $root/job/part/off
	fails 1 "*cannot write 5 to $root/job/ioasids.max: Permission denied" runuser -u nobody -- ioasidctl set /job 5
	fails 1 '*cannot write +ioasids to *subtree_control: Permission denied' runuser -u nobody -- ioasidctl enable -c /job/part
	is '*only descriptors that you may see*' runuser -u nobody -- ioasidctl who
	fails 2 '*one argument too many*' ioasidctl check now
	fails 2 "*'now' should be a slice, or nothing" ioasidctl apply now
}

checks() {
	limit checked checked.slice 5
	ioasidctl set -c checked.slice 5
	is '*WRONG: podman with crun: --cgroup-conf=ioasids.max=MAX fails: annotations of *containers* in /etc/containers/containers.conf should have "run.oci.systemd.subgroup="*' ioasidctl check
	use_example
	is '*ok: podman with crun: --cgroup-conf=ioasids.max=MAX limits a container that is in no pod and without --cgroups=split*' ioasidctl check
	# podman uses the last of several lists.
	printf '[containers]\nannotations = [\n\t"own=1",\n#\t"run.oci.systemd.subgroup=",\n]\n' >/etc/containers/containers.conf.d/90-own.conf
	is '*WRONG: podman with crun*' ioasidctl check
	sed -i 's/^#//' /etc/containers/containers.conf.d/90-own.conf
	ioasidctl check
	rm /etc/containers/containers.conf.d/90-own.conf
	ioasidctl set checked.slice 6
	is "*WRONG: the limit of checked.slice is 6, and should be 5, as /etc/ioasids.d/checked.conf says: 'ioasidctl apply' sets it*" ioasidctl check
	ioasidctl apply
	ioasidctl disable -c /system.slice
	is "*WRONG: the controller is off below /system.slice: 'ioasidctl enable -c /system.slice'*" ioasidctl check
	ioasidctl enable -c /system.slice
	printf 'Unit=x\nMax=1\n[Limit]\nUnit=a.slice\n[Limit]\nMax=2\n[Limit]\nUnit=a.slice\nMax=-3\nMix=4\n' >/etc/ioasids.d/checked.conf
	for complaint in "1: Unit is 'x'; it should be a service or a slice" "5: no Max= for 'a.slice'" \
		"7: no Unit= for Max '2'" "9: Max is '-3'; it should be 'max' or a number" "10: unknown line 'Mix=4'"; do
		is "*WRONG: /etc/ioasids.d/checked.conf:$complaint*" ioasidctl check
	done
	not ioasidctl apply
	for name in -.slice a--b.slice a-.service user@.slice @.service .slice /x.slice "$(printf 'n%.0s' {1..230}).service"; do
		printf 'Unit=%s\nMax=1\n' "$name" >/etc/ioasids.d/checked.conf
		is "*WRONG: /etc/ioasids.d/checked.conf:1: Unit is '$name'; it should *" ioasidctl check
	done
	# The last limit of a unit counts; the first is no error.
	limit checked checked.slice 7
	limit checked2 checked.slice 6
	ioasidctl apply
	is 6 cat $root/checked.slice/ioasids.max
	ioasidctl check
	rm /etc/ioasids.d/checked.conf /etc/ioasids.d/checked2.conf
	ioasidctl check
	systemctl stop checked.slice
	rmdir $root/checked.slice || true
}

columns() { screen | wc -L; }

tops() {
	in_terminal 'ioasidctl top -d 0.5'
	eventually is '*by CURRENT*/ 1048575 4 #......... *job 10 4 ####...... *part 4 4 ##########*' screen
	[ "$(columns)" -le 80 ]
	# The root is folded, and unfolded.
	tmux send-keys -t top ' '
	eventually is '*REFUSED / 1048575 4 #......... - - -' screen
	tmux send-keys -t top ' ' n j j
	eventually is '*by CGROUP*part*' screen
	tmux send-keys -t top h
	eventually is '*q quit*h show this*' screen
	[ "$(columns)" -le 80 ]
	tmux resize-window -t top -x 60 -y 7
	tmux send-keys -t top x c Home
	eventually is '*by CURRENT*part*' screen
	[ "$(columns)" -le 60 ]
	# Columns that do not fit are left out, and no line is wrapped.
	tmux resize-window -t top -x 40 -y 24
	eventually is '??:??:?? /: 4 IDs * CGROUP MAX CURRENT / 1048575 4 *job 10 4 *' screen
	tmux resize-window -t top -x 9 -y 24
	eventually is '??:??:?? CGROUP / *job*' screen
	tmux resize-window -t top -x 80 -y 24
	eventually is '*CURRENT USE *PEAK*' screen
	# Search for a cgroup, list its processes, and set a limit, which must be confirmed.
	tmux send-keys -t top / job/pa Enter
	tmux send-keys -t top Enter
	eventually is "*Processes that hold IDs in /job/part;*$(cat /run/planted) *ioasid-hold 4 - *" screen
	tmux send-keys -t top x s
	eventually is '*New limit of /job/part: _' screen
	tmux send-keys -t top 5 Enter
	eventually is '*Limit /job/part to 5? y or n: _' screen
	is 4 cat $root/job/part/ioasids.max
	tmux send-keys -t top n Enter s 5 Enter y Enter
	eventually is 5 cat $root/job/part/ioasids.max
	tmux send-keys -t top s 1O Enter
	eventually is "*'1O' is no limit*" screen
	ioasidctl set /job/part 4
	tmux send-keys -t top / nowhere Enter
	eventually is "*No cgroup that is shown has 'nowhere' in its path*" screen
	tmux send-keys -t top + +
	eventually is '*every 2 s*' screen
	tmux send-keys -t top q
	eventually fails 1 '*no server*' tmux list-sessions
}

# The state of the cursor, and whether the alternate screen is on
terminal() { tmux display-message -p -t top '#{cursor_flag} #{alternate_on}'; }

# dash does not reset the terminal by itself.
tops_and_stops() {
	in_terminal 'dash -i'
	tmux send-keys -t top 'ioasidctl top -d 1' Enter
	eventually is '0 1' terminal
	eventually is '*by CURRENT*' screen
	tmux send-keys -t top C-z
	eventually is '1 0' terminal
	tmux send-keys -t top 'echo "stop"ped' Enter
	eventually is '*echo "stop"ped stopped*' screen
	tmux send-keys -t top fg Enter
	eventually is '0 1' terminal
	tmux send-keys -t top n
	eventually is '*by CGROUP*' screen
	tmux send-keys -t top "C-\\"
	eventually is '1 0' terminal
	tmux send-keys -t top 'echo "end"ed $?' Enter
	eventually is '*echo "end"ed $? ended 0*' screen
	# Without a shell that could continue it, it does not stop.
	tmux respawn-window -k -t top 'exec ioasidctl top -d 1'
	eventually is '*by CURRENT*' screen
	tmux send-keys -t top C-z
	eventually sorts_by_name
	tmux kill-server
}

# A key that is typed right after C-z can be lost: repeat it.
sorts_by_name() {
	tmux send-keys -t top n
	is '*by CGROUP*' screen
}

# The screen must be erased only once, or it flickers. Each key changes the title.
tops_without_flicker() {
	{
		eventually drawn CURRENT
		printf n
		eventually drawn CGROUP
		printf p
		eventually drawn PEAK
		printf q
	} | TERM=linux script -qfc 'stty rows 24 cols 80; ioasidctl top -d 0.2' /run/frames
	[ "$(grep -c $'\033\[J\|\033\[2J' /run/frames)" = 1 ]
	drawn PEAK
}

# Only what differs is drawn.
drawn() { grep -q "$1\|${1:1}" /run/frames; }

tops_for_programs() {
	is '????-??-?? ??:??:?? CGROUP MAX CURRENT USE PEAK RESERVED REFUSED /job 10 4 *part 4 4 * ????-??-?? * CGROUP *' ioasidctl top -b -n 2 -d 0.1 /job
	is '{"time": "????-??-??T??:??:??Z", "cgroups": *{"max": 10, "path": "/job", "children": *{"max": 4, "path": "/job/part"}*}*}' \
		ioasidctl top -bJ -n 1 -o MAX /job
	is 2 sh -c 'timeout 60 ioasidctl top -b -d 0.1 /job | head -n 2 | wc -l'
	fails 2 '*--json needs --batch' ioasidctl top -J
	for delay in 0 0.05 x '' 1,5 3601 nan; do
		fails 2 "*the delay is '$delay'; it should be 0.1 to 3600 seconds" ioasidctl top -d "$delay"
	done
	fails 2 "*'0' is no number of updates" ioasidctl top -n 0
	in_terminal 'TERM=dumb ioasidctl top; cat'
	eventually is "*the terminal 'dumb' cannot move its cursor; --batch needs no ter*" screen
	tmux kill-server
}

# A bar is full only at the limit, and empty only at 0.
shows_bars() {
	ioasidctl set -c /bar 11
	(echo $BASHPID >$root/bar/cgroup.procs && exec ioasid-hold --alloc=10 --hold >/dev/null) &
	eventually is '#########. 90.9' sh -c 'ioasidctl ls -n -o USE /bar; ioasidctl ls -J -o USE /bar | sed -n "s/.*use.: \(.*\),/\1/p"'
	ioasidctl set /bar 10
	is '##########' ioasidctl ls -n -o USE /bar
	ioasidctl set /bar 9
	is '##########!' ioasidctl ls -n -o USE /bar
	ioasidctl set /bar 100000
	is '#.........' ioasidctl ls -n -o USE /bar
	kill $!
	wait
	eventually rmdir $root/bar
}

# Columns are left out before names are shortened, and names stay distinct.
shows_names_in_narrow_windows() {
	local long=a-name-of-a-service-that-has-many-letters
	ioasidctl set -c /job/$long-1-in-the-middle-of-many-more.service 1
	ioasidctl set -c /job/$long-2-in-the-middle-of-many-more.service 2
	in_terminal 'ioasidctl ls /job; cat'
	tmux resize-window -t top -x 40 -y 24
	tmux respawn-window -k -t top 'ioasidctl ls /job; cat'
	eventually is '*CGROUP*MAX*a-name-*.service 1 *a-name-*~2 2 *' screen
	[ "$(columns)" -le 40 ]
	tmux kill-server
	rmdir $root/job/$long*
}

# Each table in each format
shows_formats() {
	local pid
	pid=$(cat /run/planted)
	is 'PATH MAX /job 10 /job/part 4' ioasidctl ls -r -o PATH,MAX /job
	is 'CGROUP="/job" MAX="10" USE="####......" CGROUP="/job/part" MAX="4" USE="##########"' ioasidctl ls -P -o CGROUP,MAX,USE /job
	is '/job 10 /job/part 4' ioasidctl ls -ln -o CGROUP,MAX /job
	is 'CGROUP PATH MAX CURRENT USE PEAK ALLOCATED RESERVED SETS REFUSED FAILED *' ioasidctl ls --output-all /job
	is '*"cgroup": "/job/part", "charged": "/job/part", "room": 0, "limited-by": "/job/part", "cgroups": * { "path": "/job/part", "max": 4, "current": 4, *' ioasidctl show -J /job/part
	is 'PATH="/job/part" MAX="4" PATH="/job" MAX="10" PATH="/" MAX="1048575"' ioasidctl show -P -o PATH,MAX /job/part
	is "{ \"complete\": true, \"sets\": * { \"pid\": $pid, \"quota\": null, \"reserved\": null, \"open\": * \"$pid:?\" * } * }" \
		ioasidctl who -J -o PID,QUOTA,RESERVED,OPEN /job
	is "PID=\"$pid\" CGROUP=\"/job/part\"" ioasidctl who -P -o PID,CGROUP /job
	is '{ "events": * { "cgroup": "/job/part", "max": [1-9], "alloc_fail": [1-9] } * }' ioasidctl events -J /job
	is '{ "checks": * { "verdict": "ok", "fact": "the kernel has the controller", "advice": null }, *' ioasidctl check -J
	fails 2 '*exclude each other' ioasidctl ls -J -P
	for command in ls top show; do
		is 'CGROUP PATH MAX *' ioasidctl $command --list-columns
	done
	is 'PID COMMAND *' ioasidctl who --list-columns
}

# A process holds a descriptor on a file system that does not answer.
shows_who_beside_a_dead_file_system() {
	mkdir -p /run/dead
	perl -e '
		open(my $server, "+<", "/dev/fuse") or die("no /dev/fuse: $!");
		my $options = "fd=" . fileno($server) . ",rootmode=40000,user_id=0,group_id=0";
		my ($source, $target, $type) = ("dead", "/run/dead", "fuse");
		syscall(165, $source, $target, $type, 0, $options) == 0 or die("no mount: $!");
		# An open() with O_PATH does not ask the file system, unlike that of Perl itself.
		syscall(2, $target, 010000000) >= 0 or die("no descriptor: $!");
		open(my $done, ">", "/run/mounted");
		sleep(1000);' &
	eventually test -e /run/mounted
	timeout -s KILL 20 ioasidctl who -n /job >/run/seen || true
	kill $!
	wait
	umount -l /run/dead
	is '* ioasid-hold 4 *' cat /run/seen
}

shows_who_without_cgroups() {
	is '*ioasid-hold 4 - * /job/part *' unshare --mount sh -c "umount $root && exec ioasidctl who -n"
	fails 1 '*not a cgroup v2*' unshare --mount sh -c "umount $root && exec ioasidctl who /job"
}

# A kernel with the controller of 2021 has only three files.
hidden() { HIDDEN=ioasids.capacity:ioasids.peak:ioasids.stat:ioasids.events.local LD_PRELOAD=$PWD/hide.so "$@"; }
copes_with_an_older_controller() {
	is '/job 10 4 ####...... - - - *' hidden ioasidctl ls -n -o CGROUP,MAX,CURRENT,USE,PEAK,ALLOCATED,RESERVED /job
	is '/ - - *' hidden ioasidctl ls -n -o PATH,MAX,CURRENT
	is '*/job 10 4 /job/part 4 4*' hidden ioasidctl ls -n -o PATH,MAX,CURRENT
	is '{ "cgroups": * { "peak": null, "sets": null, "max": 10, "path": "/job", *' hidden ioasidctl ls -J -o PEAK,SETS,MAX /job
	is '*/job/part 4 4 - - - * /job 10 4 - - - * / - - - - - - - Room for 0 more; limited by /job/part.' hidden ioasidctl show /job/part
	is '*/job/part max [1-9] alloc_fail -*' hidden ioasidctl events /job
	fails 1 '*this kernel has no ioasids.events.local' hidden ioasidctl events -f /job
	is '*MISSING: ioasids.capacity, peak, stat and events.local: the kernel has the controller that was posted in 2021*' hidden ioasidctl check
	is '*ioasid-hold 4 *' hidden ioasidctl who -n /job
	is '*CGROUP*job 10 4*' hidden ioasidctl top -b -n 1
	hidden ioasidctl set /job 9
	is 9 cat $root/job/ioasids.max
	hidden ioasidctl set /job 10
}

watches_of() { cat /proc/$1/fdinfo/* 2>/dev/null | grep -c '^inotify wd'; }
watches_as_many() { [ "$(watches_of "$1")" = "$2" ]; }
watches_no_more() { [ "$(watches_of "$1")" -le "$2" ]; }

gives_watches_back() {
	local before n
	follow /
	before=$(watches_of $follower)
	for n in {1..20}; do
		ioasidctl set -c /gone$n 1
	done
	eventually watches_as_many $follower $((before + 20))
	rmdir $root/gone*
	eventually watches_no_more $follower "$before"
}

# Without inotify, it scans every second.
follows_without_inotify() {
	local instances
	instances=$(sysctl -n fs.inotify.max_user_instances)
	sysctl -q fs.inotify.max_user_instances=0
	ioasidctl events -f /job >/run/events 2>&1 &
	follower=$!
	sleep 2
	sysctl -q fs.inotify.max_user_instances="$instances"
	refuse_in short 1
	eventually is '1 1' told /job/short
	kill $follower
	wait
	rmdir $root/job/short
}

ends_with_its_reader() {
	rm -f /run/ended
	mkdir -p $root/job/short
	(ioasidctl events -fJ /job; touch /run/ended) | head -n 1 >/run/first &
	sleep 3
	refuse_in short 1
	eventually test -e /run/ended
	wait
	is '{"time": "????-??-??T??:??:??Z", "cgroup": "/job/short", "gone": false, "max": 1, "alloc_fail": 1}' cat /run/first
	rmdir $root/job/short
}

helps() {
	is 'ioasidctl [0-9]*' ioasidctl --version
	is 'Usage: ioasidctl *' ioasidctl help
	is '' sh -c 'ioasidctl --help | grep .................................................................................'
	is 'Usage: ioasidctl set *' ioasidctl help set
	# Options after the command belong to the command.
	is x--help ioasidctl run -m 1 sh -c "echo x\$0" --help
	[ "$(ioasid-hold --help | wc -L)" -le 80 ]
	# Options may come after arguments.
	ioasidctl set /job/late 5 -c
	is 5 cat $root/job/late/ioasids.max
	ioasidctl enable /job/late --try
	rmdir $root/job/late
	# It must run with C libraries from before 2020.
	not grep -q strerrorname /usr/bin/ioasid-hold
}

# Control characters and text direction marks must be escaped.
hides_what_a_terminal_obeys() {
	local name=$'x\u202ey\u0085z'
	ioasidctl set -c "/job/$name" 2
	is '/job/x\\xe2\\x80\\xaey\\xc2\\x85z' ioasidctl ls -n -o PATH "/job/$name"
	is '*"path": "/job/x\\u202ey\\u0085z"*' ioasidctl ls -J -o PATH "/job/$name"
	rmdir "$root/job/$name"
}

# In a chroot, the package must not change the cgroups of the machine.
is_installed_in_a_chroot() {
	ioasidctl disable -c /user.slice
	unshare --mount sh -eu <<-'END'
		mkdir -p /run/chroot
		mount --rbind / /run/chroot
		mount -t tmpfs none /run/chroot/run
		chroot /run/chroot /var/lib/dpkg/info/ioasids-tools.postinst configure
	END
	is '' cat $root/user.slice/cgroup.subtree_control
	ioasidctl enable -c /user.slice
}

# make install with other directories than the package's.
is_installed_elsewhere() {
	cp -r elsewhere/opt /
	printf 'Unit=x\nMax=1\n' >/opt/etc/ioasids.d/x.conf
	is "*WRONG: /opt/etc/ioasids.d/x.conf:1: Unit is 'x'*" /opt/bin/ioasidctl check --files
	printf 'Unit=x.slice\nMax=1\n' >/opt/etc/ioasids.d/x.conf
	mkdir /run/generated
	/opt/lib/systemd/system-generators/ioasids-generator /run/generated /run/generated /run/generated
	[ -e /run/generated/x.slice.d/zz-ioasids.conf ]
	rm -r /opt/etc /opt/bin /opt/lib /opt/libexec /opt/share /run/generated
}

# took FILE COMMAND...: its milliseconds of CPU time; FILE gets its output.
took() {
	local TIMEFORMAT='%U %S' file=$1
	shift
	{ time "$@" >"$file"; } 2>&1 | awk '{ print int(($1 + $2) * 1000) }'
}

lists_ten_thousand() {
	mkdir $root/many
	ioasidctl enable -c /many
	mkdir $root/many/{0..99}
	ioasidctl enable -c /many/{0..99}
	mkdir $root/many/{0..99}/{1..99}
	ls_takes=$(took /run/many ioasidctl ls /many)
	cat_takes=$(took /dev/null /bin/cat $root/many/*/*/ioasids.max)
	echo "# ioasidctl ls: $ls_takes ms of CPU time for 10,000 cgroups; cat of the limits: $cat_takes ms" >/run/lab.notes
	rmdir $root/many/{0..99}/{1..99} $root/many/{0..99} $root/many
	is 10002 sh -c 'wc -l </run/many'
	# One second; on a busy machine, in proportion to cat.
	[ "$ls_takes" -le 1000 ] || [ "$ls_takes" -le $((cat_takes * 3 / 2)) ]
}

completes() {
	bash -ic '
	. /usr/share/bash-completion/bash_completion
	. /usr/share/bash-completion/completions/ioasidctl
	for words in "sh" "set --c" "top --j" "events --j" "ls -o MAX,CU" "show /jo" "set lab.sl" "set lab.se" "export -o /etc/debian_ver"; do
		read -ra COMP_WORDS <<<"ioasidctl $words"
		COMP_LINE="ioasidctl $words" COMP_POINT=${#COMP_LINE} COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
		_ioasidctl
		echo "$words: ${COMPREPLY[*]}"
	done' 2>/dev/null >/run/completed
	is 'sh: show set --c: --create top --j: --json events --j: --json ls -o MAX,CU: MAX,CURRENT show /jo: /job/ set lab.sl: lab.slice set lab.se: lab.service export -o /etc/debian_ver: /etc/debian_version' cat /run/completed
}

completes_in_fish() {
	fish -c 'complete -C "ioasidctl sh"; complete -C "ioasidctl ls -o MAX,CU"; complete -C "ioasidctl set --cr"; complete -C "ioasidctl show /job/p"
		complete -C "ioasidctl export -o /etc/debian_ver"' | cut -f 1 >/run/completed
	is 'show MAX,CURRENT --create /job/part /etc/debian_version' cat /run/completed
}

# The completed line in a real shell
completes_in_a_shell() {
	ioasidctl set -c '/job/a\x2db.part' 3
	in_terminal 'bash --rcfile /usr/share/bash-completion/bash_completion -i'
	typed 'ioasidctl ls -n -o PATH,MAX /job/a' Tab Enter
	eventually is '*/job/a\\\\x2db.part /job/a\\x2db.part 3 *' screen
	tmux send-keys -t top clear Enter
	typed 'ioasidctl ls -n -o MAX,PATH a\\x2' Tab Enter
	eventually is '*3 /job/a\\x2db.part *' screen
	tmux send-keys -t top clear Enter
	# /job has children, its part has none.
	typed 'ioasidctl set /jo' Tab 'par' Tab '4 && echo "do"ne' Enter
	eventually is '*ioasidctl set /job/part 4 && echo "do"ne done *' screen
	tmux send-keys -t top clear Enter
	typed 'ioasidctl run -m 3 -- cat /etc/debian_ver' Tab '&& echo "do"ne' Enter
	eventually is '*cat /etc/debian_version && echo "do"ne* done *' screen
	tmux kill-server
	rmdir $root/job/'a\x2db.part'
}

# typed KEY...: waits for the prompt, then types. Earlier input would not be completed.
typed() {
	eventually is "root@lab:$PWD#" screen
	tmux send-keys -t top "$@"
}

# A shell of its own, whose line is completed by Tab.
completes_in_zsh() {
	in_terminal 'exec zsh -f'
	tmux send-keys -t top "PS1='> ' && autoload -Uz compinit && compinit -u -D && echo lo''aded" Enter
	eventually is '*loaded >' screen
	zsh_makes 'ioasidctl sh' 'ioasidctl show'
	zsh_makes 'ioasidctl ls -o MAX,CU' 'ioasidctl ls -o MAX,CURRENT'
	zsh_makes 'ioasidctl show /job/pa' 'ioasidctl show /job/part'
	zsh_makes 'ioasidctl restore /etc/debian_ver' 'ioasidctl restore /etc/debian_version'
	zsh_makes 'ioasidctl export -o /etc/debian_ver' 'ioasidctl export -o /etc/debian_version'
	zsh_makes 'ioasidctl run -m 3 -- cat /etc/debian_ver' 'ioasidctl run -m 3 -- cat /etc/debian_version'
	tmux kill-server
}

# zsh_makes TYPED LINE: zsh completes what is typed to this line.
zsh_makes() {
	tmux send-keys -t top C-u C-l "$1" Tab
	eventually is "> $2@(|,|/)" screen
}

saves_and_restores() {
	local saved=/run/saved.conf
	ioasidctl set -c /job/saved 6
	ioasidctl set -c kept.slice 8
	systemd-run --unit=saved sleep infinity
	ioasidctl set saved.service 3
	ioasidctl save >$saved
	is '*[[]Limit] Cgroup=/job Max=10 [[]Limit] Cgroup=/job/part Max=4 [[]Limit] Cgroup=/job/saved Max=6 *' cat $saved
	is '*[[]Limit] Unit=saved.service Max=3*' cat $saved
	is '*[[]Limit] Unit=kept.slice Max=8*' cat $saved
	ioasidctl set /job/saved max
	ioasidctl set kept.slice 7
	ioasidctl set saved.service 9
	ioasidctl set -c /job/other 5
	is '/job/saved: max becomes 6 *kept.slice: 7 becomes 8 *saved.service: 9 becomes 3 /job/other: 5 becomes max' \
		ioasidctl restore --dry-run --exact $saved
	ioasidctl restore $saved
	is '6 8 3 5' cat $root/job/saved/ioasids.max $root/kept.slice/ioasids.max $root/system.slice/saved.service/ioasids.max $root/job/other/ioasids.max
	ioasidctl restore --exact $saved
	is max cat $root/job/other/ioasids.max
	# The same file is one that ioasids.d takes.
	ioasidctl set kept.slice 1
	cp $saved /etc/ioasids.d/saved.conf
	ioasidctl apply
	is 8 cat $root/kept.slice/ioasids.max
	ioasidctl check
	[ -e /run/systemd/generator/kept.slice.d/zz-ioasids.conf ]
	rm /etc/ioasids.d/saved.conf
	systemctl stop saved
	fails 3 '*saved.service does not exist: not limited' ioasidctl restore $saved
	systemctl daemon-reload
	rmdir $root/job/saved $root/job/other $root/kept.slice
}

# The table of tools/ioasids/test, in environments that take a kernel. Only few of the
# commands have options there: the same script runs them all on the machine that builds.
# shellcheck source=tools/ioasids/test/table.sh
. ./table.sh
work=/run/table
# shellcheck disable=SC2034
tool=(ioasidctl)

prepare() {
	local top=$root/table.$1
	cgroup=/table.$1/part file=/run/table/limits
	[ -e $top/part ] || mkdir -p $top/part $top/me
	case $1 in
	namespace)
		echo -ioasids >$top/cgroup.subtree_control
		cgroup=/part
		;;
	*)	echo +ioasids >$top/cgroup.subtree_control
		echo 9 >$top/part/ioasids.max || [ $1 = gone ]
		;;
	esac
	printf '[Limit]\nCgroup=%s\nMax=9\n' $cgroup >$file
}

in_plain() { "$@" <$file >"$out" 2>"$messages"; }
in_permission() { in_plain runuser -u nobody -- "$@"; }
in_gone() {
	local status=0 maker
	(
		trap 'exit' TERM
		while :; do
			rmdir $root$cgroup || true
			mkdir $root$cgroup || true
		done
	) 2>/dev/null &
	maker=$!
	in_plain "$@" || status=$?
	kill $maker
	wait $maker || true
	mkdir -p $root$cgroup
	return $status
}
# shellcheck disable=SC2016
in_namespace() {
	in_plain in_cgroup table.namespace unshare --cgroup --mount sh -c 'umount $0 && mount -t cgroup2 none $0 &&
		echo $$ >$0/me/cgroup.procs && echo +ioasids >$0/cgroup.subtree_control && exec "$@"' $root "$@"
}

does_it_in() {
	local status=0
	row "$1" || status=1
	for cgroup in table.$1/{part,me,table.slice} table.$1; do
		[ ! -e $root/$cgroup ] || eventually rmdir $root/$cgroup
	done
	return $status
}

knows_what_to_do() {
	mkdir -p $work
	ioasidctl set -c table.slice 9
	cp variants $work
	does_it_in plain
}

# Portable BPF programs need these types to read the controller's counters.
has_types() { bpftool btf dump file /sys/kernel/btf/vmlinux | grep "STRUCT 'ioasids_cgroup'"; }

check "bpftool: the controller's types are in the kernel's BTF" has_types
check 'ioasidctl set --create: makes and limits a cgroup' plant
check 'ioasidctl ls: the tree, columns, JSON, order' shows_the_tree
check 'ioasidctl: names that are hard to show' shows_names
check 'ioasidctl show: a cgroup, a unit, a process' shows_one
check 'ioasidctl who: who holds IDs' shows_who
check 'ioasidctl who: a file system that does not answer' shows_who_beside_a_dead_file_system
check 'ioasidctl who: a machine without cgroup v2' shows_who_without_cgroups
check 'ioasidctl ls, show, who, events, check: formats' shows_formats
check 'ioasidctl ls: bars' shows_bars
check 'ioasidctl ls: names in narrow windows' shows_names_in_narrow_windows
check 'ioasidctl: control characters' hides_what_a_terminal_obeys
check 'ioasidctl: help, version, options after arguments' helps
check 'ioasidctl: the controller of 2021' copes_with_an_older_controller
check 'ioasidctl: other directories' is_installed_elsewhere
check 'the package: is installed in a chroot' is_installed_in_a_chroot
check 'ioasidctl ls: any depth' shows_any_depth
check 'ioasidctl set: a limit' sets
check 'ioasidctl set: any path' takes_any_path
check 'ioasidctl set --here: the cgroup that it is in' limits_where_it_is
check 'ioasidctl: a name that is a unit is that unit' is_not_misled_by_names
check 'ioasidctl: in a cgroup namespace' works_in_a_namespace
check 'ioasidctl enable, disable: the ancestors' switches_on_and_off
check 'ioasidctl events: past events, and new ones as they occur' tells_of_events
check 'ioasidctl events: a cgroup is removed and made again' tells_of_a_restart
check 'ioasidctl events: watches are given back' gives_watches_back
check 'ioasidctl events: without inotify' follows_without_inotify
check 'ioasidctl events: ends when its reader ends' ends_with_its_reader
check 'ioasidctl events, top: end when the cgroup is removed' tells_that_it_is_gone
check 'ioasidctl run: a command with a limit' runs
check 'ioasidctl: one line for each error' refuses_what_is_wrong
check 'ioasidctl check: faults, and how to correct them' checks
check 'ioasidctl top: keys, 80 columns, smaller windows' tops
check 'ioasidctl top: stop, continue and quit' tops_and_stops
check 'ioasidctl top: no flicker' tops_without_flicker
check 'ioasidctl top: batch mode, delays, and a dumb terminal' tops_for_programs
check 'ioasidctl ls: 10,000 cgroups cost no more than cat of their limits' lists_ten_thousand
cat /run/lab.notes
check 'ioasidctl: bash completes it' completes
check 'ioasidctl: a line that bash completes can be run' completes_in_a_shell
check 'ioasidctl: fish completes it' completes_in_fish
check 'ioasidctl: zsh completes it' completes_in_zsh
check 'ioasidctl save, restore: what is set now' saves_and_restores
check 'ioasidctl: all commands' knows_what_to_do
for environment in permission gone namespace; do
	check "ioasidctl: all commands, $environment" does_it_in $environment
done
ioasidctl disable -c table.slice
rmdir $root/table.slice
kill "$(cat /run/planted)"
wait
ioasidctl disable -c /job
rmdir $root/job/part $root/job/new $root/job 2>/dev/null
