# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: other
#
# runc and crun, called as other programs call them, with both cgroup drivers.

# bundle CGROUP [MAX [ANNOTATIONS [HOOK]]]: makes a container that takes five IDs.
bundle() {
	rm -rf /run/bundle
	make_box /run/bundle/rootfs
	local device hook=
	[ -z "${4:-}" ] || hook="{ \"path\": \"$4\" }"
	device="\"type\": \"c\", \"major\": $(device_number | sed 's/:/, "minor": /')"
	cat >/run/bundle/config.json <<-END
		{
			"ociVersion": "1.0.2",
			"process": {
				"args": [ "sh", "-c", "$inside", "5" ],
				"cwd": "/", "env": [ "PATH=/bin" ], "user": { "uid": 0, "gid": 0 }
			},
			"root": { "path": "rootfs" },
			"mounts": [
				{ "destination": "/proc", "type": "proc", "source": "proc" },
				{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }
			],
			"annotations": { ${3:-} },
			"hooks": { "createRuntime": [ $hook ] },
			"linux": {
				"cgroupsPath": "$1",
				"namespaces": [
					{ "type": "pid" }, { "type": "mount" }, { "type": "cgroup" }
				],
				"devices": [ { "path": "/dev/ioasid", $device, "fileMode": 438 } ],
				"resources": {
					"devices": [
						{ "allow": false, "access": "rwm" },
						{ "allow": true, $device, "access": "rw" }
					],
					"unified": { ${2:+\"ioasids.max\": \"$2\"} }
				}
			}
		}
	END
}

# start RUNTIME...: starts the container, and sets $cgroup to its cgroup.
start() {
	(cd /run/bundle && "$@" run --detach --pid-file /run/bundle/pid c1 </dev/null >/run/bundle/log 2>&1) ||
		{ cat /run/bundle/log; return 1; }
	cgroup=$(cgroup_of "$(cat /run/bundle/pid)")
}

stop() {
	"$@" delete --force c1
	gone "$cgroup"
}

by_unified() {
	local cgroup=$1 annotations=$2
	shift 2
	bundle "$cgroup" 5 "$annotations"
	start "$@"
	limited "$cgroup" 5
	stop "$@"
}

by_hook() {
	local cgroup=$1
	shift
	bundle "$cgroup" '' '"ioasids.max": "5"' /usr/libexec/ioasids/oci-hook
	start "$@"
	limited "$cgroup" 5
	stop "$@"
}

# Where crun fails alone. If this changes, the advice in the documents can be removed.
crun_alone_fails() {
	local cgroup=$1
	shift
	bundle "$cgroup" 5
	not start "$@"
	"$@" delete --force c1 || true
	grep ioasids /run/bundle/log
}

bad_annotation() {
	local cgroup=x
	bundle machine.slice:lab:c1 '' '"ioasids.max": "many"' /usr/libexec/ioasids/oci-hook
	not start "$@"
	"$@" delete --force c1 || true
	[ ! -e $root/machine.slice/lab-c1.scope ]
}

# hook STATE: runs the hook with STATE on its standard input, as a runtime does.
hook() { echo "$1" | /usr/libexec/ioasids/oci-hook; }

bad_states() {
	local value
	for value in null true 5 '["5"]' '""' '"-1"' '"5\u0000junk"' '"5\n"' '"9223372036854775808"'; do
		fails 1 'oci-hook: the annotation ioasids.max is *; it should be "max" or a number from "0" to "9223372036854775807"' \
			hook '{ "pid": 1, "annotations": { "ioasids.max": '"$value"' } }'
	done
	for value in '' null '[]' '{' '{ "annotations": { "ioasids.max": "5" } }' '{ "pid": "1" }' '{ "pid": 0 }' '{ "pid": true }'; do
		fails 1 'oci-hook: the runtime should send its state, with a pid, to standard input' hook "$value"
	done
	for value in '' ', "annotations": null' ', "annotations": { "other": "5" }'; do
		is '' hook '{ "pid": 1'"$value"' }'
		hook '{ "pid": 1'"$value"' }'
	done
	fails 3 'oci-hook: there is no process 99999999' hook '{ "pid": 99999999, "annotations": { "ioasids.max": "5" } }'
}

# The limit of the caller's cgroup and of its parent must not be changed.
shared_cgroup() {
	ioasidctl set -c /caller/inner 9
	bundle /oci/c1 '' '"ioasids.max": "5"' /usr/libexec/ioasids/oci-hook
	(
		echo $BASHPID >$root/caller/inner/cgroup.procs
		not start crun --cgroup-manager disabled
		crun delete --force c1 || true
	)
	# This version of crun does not pass on the output of the hook.
	is '*oci-hook*' cat /run/bundle/log
	is 9 cat $root/caller/inner/ioasids.max
	sleep infinity &
	echo $! >$root/caller/inner/cgroup.procs
	(
		mkdir $root/caller/inner/below
		echo $BASHPID >$root/caller/inner/below/cgroup.procs
		fails 1 'oci-hook: the container has no cgroup of its own*' hook '{ "pid": '$!', "annotations": { "ioasids.max": "5" } }'
	)
	is 9 cat $root/caller/inner/ioasids.max
	kill $!
	wait
	rmdir $root/caller/inner/below $root/caller/inner $root/caller
}

without_v2() { unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh "$@"; }
on_v1() {
	echo '{ "pid": 1, "annotations": { "ioasids.max": "5" } }' >/run/state
	fails 1 "oci-hook: /sys/fs/cgroup is not a cgroup v2 hierarchy; 'ioasidctl --root' is for one elsewhere" \
		without_v2 sh -c '/usr/libexec/ioasids/oci-hook </run/state'
}

subgroup='"run.oci.systemd.subgroup": ""'
check 'runc, systemd: unified' by_unified machine.slice:lab:c1 '' runc --systemd-cgroup
check 'runc, systemd: the hook' by_hook machine.slice:lab:c1 runc --systemd-cgroup
check 'runc, cgroupfs: unified' by_unified /oci/c1 '' runc
check 'runc, cgroupfs: the hook' by_hook /oci/c1 runc
check 'crun, systemd: unified, with an empty subgroup' by_unified machine.slice:lab:c1 "$subgroup" crun --systemd-cgroup
check 'crun, systemd: unified fails without an empty subgroup' crun_alone_fails machine.slice:lab:c2 crun --systemd-cgroup
check 'crun, systemd: the hook, in a subgroup or not' by_hook machine.slice:lab:c1 crun --systemd-cgroup
check 'crun, cgroupfs: unified, at the top' by_unified /c1 '' crun
check 'crun, cgroupfs: unified fails in a new subtree' crun_alone_fails /new/c2 crun
check 'crun, cgroupfs: the hook' by_hook /oci/c1 crun
check 'the hook: malformed states of a container' bad_states
check 'the hook: a container without a cgroup of its own' shared_cgroup
check 'the hook: a machine with cgroup v1' on_v1
check 'the hook: runc fails if the annotation is not a limit' bad_annotation runc --systemd-cgroup
check 'the hook: crun fails if the annotation is not a limit' bad_annotation crun --systemd-cgroup
