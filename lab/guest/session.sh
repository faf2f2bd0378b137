#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2254
#
# An administrator's session with the controller, in the small guest. Prints each command
# and its output, and compares that with the expected output.

steps=0 wrong=0

printed() { case $(tr -s '\n' ' ' </tmp/printed) in ${1:+$1 }) ;; *) false ;; esac }

# try PATTERN COMMAND: runs COMMAND and compares its output, joined to one line, with
# PATTERN. The output of a command in the background may take up to a minute, and so
# may the expected content of a file.
try() {
	eval "$2" >/tmp/printed 2>&1
	for _ in $(seq 600); do
		printed "$1" && break
		case $2 in
		*'&') sleep 0.1 ;;
		cat*) sleep 0.1; eval "$2" >/tmp/printed 2>&1 ;;
		*) break ;;
		esac
	done
	echo "# $2"
	cat /tmp/printed
	steps=$((steps + 1))
	printed "$1" || { wrong=$((wrong + 1)); echo "^^^ WRONG, should be: $1"; }
}

title() { printf '\n%s\n\n' "$*"; }

cd /sys/fs/cgroup || exit
title 'A cgroup whose processes may hold five IDs:'
try '' 'echo +ioasids > cgroup.subtree_control'
try '' 'mkdir job'
try 'max' 'cat job/ioasids.max'
try '' 'echo 5 > job/ioasids.max'
try '' 'echo $$ > job/cgroup.procs'

title 'One of them takes five, another wants a sixth:'
try '1 2 3 4 5' 'ioasid-hold --alloc=5 --hold --free=all --hold &'
try '5' 'cat job/ioasids.current'
try 'ioasid-hold: IOASID_REQUEST_ALLOC: EAGAIN*' 'ioasid-hold --alloc=1'
try 'max 1 alloc_fail 1' 'cat job/ioasids.events'
try '5' 'cat job/ioasids.current'

title 'The first gives its IDs back:'
try '' 'kill -USR1 $!'
try '0' 'cat job/ioasids.current'
try '5' 'cat job/ioasids.peak'
try '' 'kill $!; wait'

title 'A reservation is made as a whole or not at all:'
try 'ioasid-hold: IOASID_SET_QUOTA: EAGAIN*' 'ioasid-hold --reserve=10'
try '0' 'cat job/ioasids.current'
try 'bits * quota 4 allocated 0 available 4' 'ioasid-hold --reserve=4 --info'

title 'A limit holds for everything below it:'
try '' 'mkdir -p team/web'
try '' 'echo +ioasids > team/cgroup.subtree_control'
try '' 'echo 3 > team/ioasids.max'
try '' 'echo $$ > team/web/cgroup.procs'
try 'max' 'cat team/web/ioasids.max'
try '1 2 3 ioasid-hold: IOASID_REQUEST_ALLOC: EAGAIN*' 'ioasid-hold --alloc=4'
try 'max 0 alloc_fail 1' 'cat team/web/ioasids.events'
try 'max 1 alloc_fail 1' 'cat team/ioasids.events'

title 'A process that is killed leaves nothing behind:'
try '1 2 3' 'ioasid-hold --alloc=3 --hold &'
try '3' 'cat team/ioasids.current'
try '' 'kill -KILL $!; wait'
try '0' 'cat team/ioasids.current'
try 'total * kernel 0 user 0 available *' 'cat ioasids.capacity'

# Opening a device that binds memory (the mock's) stands for opening an accelerator.
a=/dev/ioasid-mock-a b=/dev/ioasid-mock-b
if [ ! -e $a ]; then
	title 'Not shown: PASIDs of accelerators. This kernel has no mock of them.'
elif (: <$a) 2>&1 | grep -q 'Operation not supported'; then
	title "Not shown: PASIDs of accelerators. Linux $(uname -r) refuses to bind memory to them on this architecture."
else
	# That took a PASID, which goes when its memory does.
	for _ in $(seq 600); do grep -qx 'user 0' ioasids.capacity && break; sleep 0.1; done
	title 'A process that opens two accelerators has one PASID for both:'
	try '' 'mkdir train'
	try '' 'echo 1 > train/ioasids.max'
	try '' 'echo $$ > train/cgroup.procs'
	pasid='dd bs=16 count=1 status=none'
	try '1 1' "sh -c 'exec 3<$a 4<$b; $pasid <&3; $pasid <&4; while sleep 1; do :; done' &"
	try '1' 'cat train/ioasids.current'

	title 'A second process cannot open one, until the first is gone:'
	try "sh: can't open $a: Resource temporarily unavailable" "sh -c ': <$a'"
	try 'max 1 alloc_fail 1' 'cat train/ioasids.events'
	try '' 'kill -KILL $!; wait'
	try '0' 'cat train/ioasids.current'
	try '' "sh -c ': <$a'"
fi

[ $wrong = 0 ] || { title "WRONG: $wrong of $steps steps failed; they are marked by ^^^"; exit 1; }
title "All $steps steps passed."
