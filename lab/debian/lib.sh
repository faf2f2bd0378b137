# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the tests of clients are written in. Each is a function; it fails with the
# first command in it that does.

root=/sys/fs/cgroup
log=/run/lab.log

# check NAME FUNCTION [ARGUMENT...]: a test, and what became of it.
check() {
	local name=$1 status started=$SECONDS
	shift
	(set -e; "$@") >"$log" 2>&1
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$log"
	echo "$([ $status = 0 ] || echo 'not ')ok - $name"
	[ $((SECONDS - started)) -lt 10 ] || echo "# which took $((SECONDS - started)) s"
}

# not COMMAND...: it fails. A ! before it would hide that it does not.
not() { ! "$@"; }

# is EXPECTED COMMAND...: what it prints, white space made one, matches the pattern.
is() {
	local expected=$1 words
	shift
	IFS=$' \n' read -r -d '' -a words <<<"$("$@" 2>&1)" || true
	# shellcheck disable=SC2053
	[[ ${words[*]} = $expected ]] || { echo "'$*' says '${words[*]}', should be '$expected'"; return 1; }
}

# fails STATUS PATTERN COMMAND...: it does, with that, and says why in one line.
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

# A minute: where much else runs, what takes a second can take twenty.
eventually() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return; }
		sleep 0.2
	done
}

# What is run inside: it wants one more than it may have, and then holds what it may.
# shellcheck disable=SC2016
inside='ioasid-hold --alloc=$(($0 + 1)) 2>&1 | grep -q EAGAIN && exec ioasid-hold --alloc=$0 --hold'

# limit FILE UNIT N: the two lines.
limit() { printf 'Unit=%s\nMax=%s\n' "$2" "$3" >"/etc/ioasids.d/$1.conf"; }

# limited CGROUP N: something inside has N, and was refused more by the limit there.
limited() {
	eventually is "$2" cat "$root/$1/ioasids.current"
	is "$2" cat "$root/$1/ioasids.max"
	is "max [1-9]* alloc_fail *" cat "$root/$1/ioasids.events.local"
	is "max * alloc_fail [1-9]*" cat "$root/$1/ioasids.events"
}

# gone CGROUP: nothing is left of it, and nobody has anything.
gone() {
	eventually test ! -e "$root/$1"
	eventually is '*kernel 0 user 0 *' cat "$root/ioasids.capacity"
	eventually is '*nr_dying_subsys_ioasids 0*' cat "$root/cgroup.stat"
}

device_number() { printf '%d:%d\n' "0x$(stat -c %t /dev/ioasid)" "0x$(stat -c %T /dev/ioasid)"; }

# make_box DIRECTORY: what a container needs to run what is inside.
make_box() {
	mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp}
	cp /bin/busybox /run/lab/ioasid-hold "$1/bin"
	ln -sf busybox "$1/bin/sh"
	ln -sf busybox "$1/bin/grep"
}

# The guest is made without documents, but an example in ours is used.
install_package() {
	DEBIAN_FRONTEND=noninteractive dpkg -i --path-include='/usr/share/doc/ioasids-tools/*' ./*.deb
}

# What crun needs for --cgroup-conf.
use_example() {
	install -D -m 644 /usr/share/doc/ioasids-tools/examples/containers.conf \
		/etc/containers/containers.conf.d/50-ioasids.conf
}

# A user who may open the device, and whose manager runs.
make_user() {
	id user 2>/dev/null || useradd -m -u 1000 -G ioasid -s /bin/bash user
	loginctl enable-linger user
	eventually test -S /run/user/1000/systemd/private
}

as_user() { runuser -u user -- env XDG_RUNTIME_DIR=/run/user/1000 PATH="$PATH" "$@"; }
manager=user.slice/user-1000.slice/user@1000.service

# import_box [as_user]: makes an image of such a box.
import_box() {
	make_box /run/image
	tar -C /run/image -cf /run/image.tar .
	"$@" podman import /run/image.tar box
}

# podman_limits env|as_user RUNTIME MANAGER OPTION...: a container that may have five.
podman_limits() {
	local podman=("$1" podman --runtime "$2" --cgroup-manager "$3") id cgroup
	shift 3
	id=$("${podman[@]}" run --detach --pidfile "$PWD/pid" --network none --device /dev/ioasid "$@" \
		localhost/box sh -c "$inside" 5)
	cgroup=$(sed -n 's,^0::/,,p' "/proc/$(cat pid)/cgroup")
	limited "$cgroup" 5
	"${podman[@]}" rm --force --time 0 "$id"
	gone "$cgroup"
}
