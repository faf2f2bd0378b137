# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Functions for the tests of clients. A test is a function. It fails if a command in it
# fails.

root=/sys/fs/cgroup
log=/run/lab.log

# check NAME FUNCTION [ARGUMENT...]: runs a test and reports its result.
check() {
	local name=$1 status started=$SECONDS
	shift
	(set -e; "$@") >"$log" 2>&1
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$log"
	echo "$([ $status = 0 ] || echo 'not ')ok - $name"
	[ $((SECONDS - started)) -lt 10 ] || echo "# It took $((SECONDS - started)) s"
}

# not COMMAND...: COMMAND fails. set -e would ignore the status of "! COMMAND".
not() { ! "$@"; }

# is PATTERN COMMAND...: COMMAND prints PATTERN, with all white space as single spaces.
is() {
	local expected=$1 words
	shift
	IFS=$' \n' read -r -d '' -a words <<<"$("$@" 2>&1)" || true
	# shellcheck disable=SC2053
	[[ ${words[*]} = $expected ]] || { echo "'$*' says '${words[*]}', should be '$expected'"; return 1; }
}

# fails STATUS PATTERN COMMAND...: COMMAND returns STATUS and prints one line, PATTERN.
fails() {
	local expected=$1 pattern=$2 status=0 printed
	shift 2
	printed=$("$@" 2>&1) || status=$?
	# shellcheck disable=SC2053
	if [ "$status" != "$expected" ] || [[ $printed != $pattern ]] || [ "$(wc -l <<<"$printed")" != 1 ]; then
		echo "'$*' says '$printed' and returns $status, should be '$pattern' and $expected"
		return 1
	fi
}

# eventually COMMAND...: waits until COMMAND succeeds. The limit is for hangs: on a busy
# machine a guest can be twenty times slower.
eventually() {
	local end=$((SECONDS + 180))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			"$@" || { echo "'$*' still fails"; return 1; }
			return
		fi
		sleep 0.2
	done
}

# The program of a container or a service: it asks for one ID more than its limit $0,
# which must be refused, and then holds $0 IDs.
# shellcheck disable=SC2016
inside='ioasid-hold --alloc=$(($0 + 1)) 2>&1 | grep -q EAGAIN && exec ioasid-hold --alloc=$0 --hold'

# limit FILE UNIT N: writes a file that limits UNIT to N.
limit() { printf 'Unit=%s\nMax=%s\n' "$2" "$3" >"/etc/ioasids.d/$1.conf"; }

# limited CGROUP N: its processes hold N IDs, and its limit N has refused a request.
limited() {
	eventually is "$2" cat "$root/$1/ioasids.current"
	is "$2" cat "$root/$1/ioasids.max"
	is "max [1-9]* alloc_fail *" cat "$root/$1/ioasids.events.local"
	is "max * alloc_fail [1-9]*" cat "$root/$1/ioasids.events"
}

# gone CGROUP: it is removed, and no process holds an ID.
gone() {
	eventually test ! -e "$root/$1"
	eventually is '*kernel 0 user 0 *' cat "$root/ioasids.capacity"
	eventually is '*nr_dying_subsys_ioasids 0*' cat "$root/cgroup.stat"
}

# keeps CGROUP COMMAND...: COMMAND changes neither the limit, nor the charge, nor the events.
keeps() {
	local files=("$root/$1"/ioasids.{max,current,events}) before
	shift
	before=$(cat "${files[@]}")
	"$@"
	is "$(tr -s ' \n' ' ' <<<"$before" | sed 's/ $//')" cat "${files[@]}"
}

# restarts_often UNIT: systemd refuses more than some starts in ten seconds otherwise.
restarts_often() {
	mkdir -p "/etc/systemd/system/$1.d"
	printf '[Unit]\nStartLimitIntervalSec=0\n' >"/etc/systemd/system/$1.d/often.conf"
	systemctl daemon-reload
}

cgroup_of() { sed -n 's,^0::/,,p' "/proc/$1/cgroup"; }

device_number() { printf '%d:%d\n' "0x$(stat -c %t /dev/ioasid)" "0x$(stat -c %T /dev/ioasid)"; }

# make_box DIRECTORY: makes the root of a container that runs $inside. Its program take5 does
# that with five IDs.
make_box() {
	mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp}
	cp /bin/busybox /run/lab/ioasid-hold "$1/bin"
	ln -sf busybox "$1/bin/sh"
	ln -sf busybox "$1/bin/grep"
	printf "#!/bin/sh\nexec sh -c '%s' 5\n" "$inside" >"$1/bin/take5"
	chmod +x "$1/bin/take5"
}

# The guest installs no documents by default, but a test uses an example of the package.
install_package() {
	DEBIAN_FRONTEND=noninteractive dpkg -i --path-include='/usr/share/doc/ioasids-tools/*' ./*.deb
}

# The example is a configuration that crun needs for --cgroup-conf.
use_example() {
	install -D -m 644 /usr/share/doc/ioasids-tools/examples/containers.conf \
		/etc/containers/containers.conf.d/50-ioasids.conf
}

# A user who may open the device and whose service manager runs.
make_user() {
	id user 2>/dev/null || useradd -m -u 1000 -G ioasid -s /bin/bash user
	loginctl enable-linger user
	eventually test -S /run/user/1000/systemd/private
}

as_user() { runuser -u user -- env XDG_RUNTIME_DIR=/run/user/1000 PATH="$PATH" "$@"; }
manager=user.slice/user-1000.slice/user@1000.service

# import_box [as_user]: makes the image localhost/box with make_box.
import_box() {
	make_box /run/image
	tar -C /run/image -cf /run/image.tar .
	"$@" podman import /run/image.tar box
}

# podman_limits env|as_user RUNTIME MANAGER OPTION...: OPTION limits a container to five, which
# has the device $device, or /dev/ioasid.
podman_limits() {
	local podman=("$1" podman --runtime "$2" --cgroup-manager "$3") id cgroup
	shift 3
	id=$("${podman[@]}" run --detach --pidfile "$PWD/pid" --network none --device "${device:-/dev/ioasid}" "$@" \
		localhost/box sh -c "$inside" 5)
	cgroup=$(cgroup_of "$(cat pid)")
	limited "$cgroup" 5
	"${podman[@]}" rm --force --time 0 "$id"
	gone "$cgroup"
}
