# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# After a restart of the guest: limits last, and charges do not.

from_the_start() {
	is 'active' systemctl is-active ioasids-enable.service
	is '*ioasids*' cat $root/cgroup.subtree_control
	is '*ioasids*' cat $root/system.slice/cgroup.subtree_control
	is '*kernel 0 user 0 *' cat $root/ioasids.capacity
	ioasidctl check
}

a_slice() {
	systemd-run --slice=web.slice --unit=web sh -c "$inside" 8
	limited web.slice 8
	systemctl stop web.slice
	gone web.slice
}

a_user() {
	eventually is 6 cat $root/user.slice/user-1000.slice/user@1000.service/ioasids.max
}

a_service() {
	systemctl start plain
	limited system.slice/plain.service 3
	systemctl stop plain
}

# machine.slice does not exist before the first container.
a_container() {
	local id
	[ ! -e $root/machine.slice ]
	printf 'Unit=machine.slice\nMax=20\n' >/etc/ioasids.d/machine.conf
	is '*machine.slice has no cgroup now: limited when it starts*' ioasidctl apply
	id=$(podman run --detach --network none --device /dev/ioasid --cgroup-conf=ioasids.max=5 localhost/box sh -c "$inside" 5)
	limited "machine.slice/libpod-$id.scope" 5
	is 20 cat $root/machine.slice/ioasids.max
	podman rm --force --time 0 "$id"
	gone "machine.slice/libpod-$id.scope"
}

check 'after a restart: the controller is on from the start' from_the_start
check 'after a restart: a slice has its limit' a_slice
check 'after a restart: a service has its limit' a_service
check 'after a restart: a user who lingers has the limit' a_user
check 'after a restart: the first container' a_container
