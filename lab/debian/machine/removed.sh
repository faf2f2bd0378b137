# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The same machine after the packages were removed: Debian's own kernel runs again.

same_kernel() {
	is "$(cat /var/lib/kernel-before)" uname -r
	[ ! -e /dev/ioasid ]
	is '*0 loaded units listed*' systemctl --failed
}

check "removed: Debian's own kernel runs again" same_kernel
