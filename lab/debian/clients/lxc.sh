# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: other
#
# LXC: one line in the container's configuration.

lxc_container() {
	make_box /var/lib/box
	mkdir -p /var/lib/lxc/c1
	cat >/var/lib/lxc/c1/config <<-END
		lxc.uts.name = c1
		lxc.rootfs.path = dir:/var/lib/box
		lxc.net.0.type = empty
		lxc.mount.auto = proc:mixed
		lxc.mount.entry = /dev/ioasid dev/ioasid none bind,create=file
		lxc.cgroup2.devices.allow = c $(device_number) rw
		lxc.cgroup2.ioasids.max = 5
	END
	# LXC switches the controller on by itself.
	lxc-start -n c1 -- /bin/sh -c "$inside" 5
	limited lxc.payload.c1 5
	is '*ioasids.max 5*' lxc-cgroup -n c1 ioasids.max || is 5 lxc-cgroup -n c1 ioasids.max
	lxc-stop -k -n c1
	gone lxc.payload.c1
}

check 'LXC: lxc.cgroup2.ioasids.max' lxc_container
