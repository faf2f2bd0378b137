# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2086,SC2154
#
# Guest: other
#
# libcgroup: its commands, and its configuration file.

commands() {
	cgcreate -g ioasids:lib/inner
	cgset -r ioasids.max=5 lib/inner
	is 'lib/inner: ioasids.max: 5' cgget -r ioasids.max lib/inner
	is '*ioasids.current: 0*' cgget -g ioasids lib/inner
	cgexec -g ioasids:lib/inner sh -c "$inside" 5 &
	limited lib/inner 5
	kill $!
	wait $! || true
	cgdelete -r -g ioasids:lib
	gone lib
}

configuration() {
	cat >/etc/cgconfig.conf <<-END
		group conf {
			ioasids {
				ioasids.max = 4;
			}
		}
	END
	cgconfigparser -l /etc/cgconfig.conf
	cgexec -g ioasids:conf sh -c "$inside" 4 &
	limited conf 4
	kill $!
	wait $! || true
	cgdelete -g ioasids:conf
	gone conf
}

check 'libcgroup: cgcreate, cgset, cgget, cgexec, cgdelete' commands
check 'libcgroup: cgconfig.conf' configuration
